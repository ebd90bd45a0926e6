"""People's answers, kept: none is changed or taken away, a newer one counts (SEC-08, SEC-51)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.audit import patient_key
from fhir_trial.errors import UsageError
from fhir_trial.people.answers import GivenAnswer, PeoplesAnswers
from fhir_trial.people.shown import Shown
from fhir_trial.store.engine import transaction
from fhir_trial.store.rewrapping import open_from, seal_in
from fhir_trial.store.sealing import Keyring
from fhir_trial.store.tables import AnswerRow, ScreeningRow
from fhir_trial.transport import decode_json
from fhir_trial.trials.adjudication import Adjudicators, Person, PersonsAnswer, Says
from fhir_trial.trials.model import ResolvedTrial


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a person said of one criterion.

    Attributes:
        id: Ours, ``an-`` and 32 hex digits.
        answer: A value of ``Says``.
        reason: In their own words.
        name: As it was to be shown when they answered.
        at: When they answered, in UTC.
        version: Version of the trial's criteria.
        screening: Id of the kept screening that they had before them.
        evidence: Digest of the computed answer that it showed.
    """

    id: str
    criterion: str
    answer: str
    reason: str | None = field(repr=False)
    subject: str
    issuer: str
    name: str | None
    at: datetime
    version: str
    screening: str
    evidence: str


class StoreAnswers:
    """An ``AnswerBook`` of one tenant's server."""

    def __init__(self, engine: Engine, keys: Keyring, tenant: str, server: str) -> None:
        self._engine, self._keys, self._tenant, self._server = engine, keys, tenant, server

    def about(self, patient: str, trial: ResolvedTrial) -> Adjudicators:
        """For each criterion answered for this patient and this version of the trial, what becomes of it on a day.

        An answer to a criterion that a changed file of the same version no longer has is left out: the screening goes on.
        """
        rows = self._rows(patient_key(self._tenant, self._server, patient), trial.trial.id)
        known = (row for row in rows if row.version == trial.trial.version and row.criterion in trial.by_id)
        return PeoplesAnswers(self._given(row, patient) for row in known).about(patient, trial)

    def give(self, screening: str, given: GivenAnswer) -> KeptAnswer:
        """Keeps an answer; it is there when this returns. The same one given twice in a row is one.

        Args:
            screening: Id of the kept screening that the person has before them.
            given: From ``people.answers.give_on`` what that screening showed.

        Raises:
            UsageError: There is no such screening, or the answer is about something else than it shows.
        """
        with transaction(self._engine, self._tenant) as session:
            before = self._screening(session, screening)
            _check(given, Shown.from_json(decode_json(open_from(before, self._keys, "sealed_shown").encode())))
            last = self._last(session, before.patient, given)
            if last is not None and self._is_same(last, given):
                return self._kept(last)
            row = self._new_row(before, given)
            session.add(row)
            session.flush()
            return self._kept(row)

    def of_patient(self, key: str, trial: str) -> list[KeptAnswer]:
        """Every answer about a patient for a trial, to whatever version, oldest first."""
        return [self._kept(row) for row in self._rows(key, trial)]

    def _rows(self, key: str, trial: str) -> Sequence[AnswerRow]:
        about = (AnswerRow.tenant == self._tenant, AnswerRow.patient == key, AnswerRow.trial == trial)
        with Session(self._engine) as session:
            return session.scalars(select(AnswerRow).where(*about).order_by(AnswerRow.at, AnswerRow.number)).all()

    def _screening(self, session: Session, identity: str) -> ScreeningRow:
        own = (ScreeningRow.tenant == self._tenant, ScreeningRow.server == self._server, ScreeningRow.id == identity)
        row = session.scalars(select(ScreeningRow).where(*own)).first()
        if row is None:
            raise UsageError("There is no such screening: it was purged, or its id is wrong. Screen again, and answer then.")
        return row

    def _last(self, session: Session, patient: str, given: GivenAnswer) -> AnswerRow | None:
        about = (
            AnswerRow.tenant == self._tenant,
            AnswerRow.patient == patient,
            AnswerRow.trial == given.trial,
            AnswerRow.version == given.version,
            AnswerRow.criterion == given.criterion,
        )
        newest = select(AnswerRow).where(*about).order_by(AnswerRow.at.desc(), AnswerRow.number.desc()).limit(1)
        return session.scalars(newest).first()

    def _is_same(self, row: AnswerRow, given: GivenAnswer) -> bool:
        said, kept = given.answer, self._said(row)
        return (kept.says, kept.by, kept.evidence, kept.reason) == (said.says, said.by, said.evidence, said.reason)

    def _new_row(self, screening: ScreeningRow, given: GivenAnswer) -> AnswerRow:
        said = given.answer
        row = AnswerRow(
            id=f"an-{secrets.token_hex(16)}",
            tenant=self._tenant,
            patient=screening.patient,
            trial=given.trial,
            version=given.version,
            criterion=given.criterion,
            says=said.says.value,
            evidence=said.evidence,
            screening=screening.id,
            at=said.at,
            issuer=said.by.issuer,
            subject=said.by.subject,
            name=said.by.name,
            seal=secrets.token_hex(16),
        )
        seal_in(row, self._keys, sealed_patient=given.patient, sealed_reason=said.reason)
        return row

    def _given(self, row: AnswerRow, patient: str) -> GivenAnswer:
        return GivenAnswer(patient, row.trial, row.version, row.criterion, self._said(row))

    def _said(self, row: AnswerRow) -> PersonsAnswer:
        by = Person(row.issuer, row.subject, row.name)
        return PersonsAnswer(Says(row.says), by, row.at, row.evidence, self._reason(row))

    def _reason(self, row: AnswerRow) -> str | None:
        return open_from(row, self._keys, "sealed_reason") if row.sealed_reason is not None else None

    def _kept(self, row: AnswerRow) -> KeptAnswer:
        return KeptAnswer(
            id=row.id,
            criterion=row.criterion,
            answer=row.says,
            reason=self._reason(row),
            subject=row.subject,
            issuer=row.issuer,
            name=row.name,
            at=row.at,
            version=row.version,
            screening=row.screening,
            evidence=row.evidence,
        )


def _check(given: GivenAnswer, shown: Shown) -> None:
    """An answer rests on what the screening showed, and on nothing else."""
    about = (given.patient, given.trial, given.version)
    _, evidence = shown.computed.get(given.criterion, (None, None))
    if about != (shown.patient, shown.trial, shown.version) or given.answer.evidence != evidence:
        raise UsageError("The answer is about something else than the screening shows. Answer on that screening.")
