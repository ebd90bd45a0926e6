"""Screenings as they were: the verdict that people saw, what it was made of, who asked (SEC-03, SEC-52).

Each screening is a row, and none is changed: a patient's history is all of them. What is clinical, or names the patient as the
hospital does, is sealed. Everything is of one tenant and its server: what another one keeps is as if it were not there (SEC-13).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, exists, func, select
from sqlalchemy.orm import Session, aliased

from fhir_trial.audit import patient_key
from fhir_trial.people.shown import Shown, shown_of
from fhir_trial.screening.inputs import Input, inputs_digest
from fhir_trial.store.engine import transaction
from fhir_trial.store.rewrapping import open_from, seal_in
from fhir_trial.store.sealing import Keyring
from fhir_trial.store.tables import AnswerRow, ScreeningRow, StepRow
from fhir_trial.transport import decode_json, encode_json
from fhir_trial.verdict.model import Verdict

_BATCH = 200


@dataclass(frozen=True, slots=True)
class KeptScreening:
    """A screening as it was kept.

    Attributes:
        id: Ours, ``sc-`` and 32 hex digits.
        patient: Our key, ``pt-...``; never the hospital's id (SEC-26).
        version: Version of the trial's criteria.
        verdict: The object of the verdict contract, as it was.
        inputs: ``screening.inputs.inputs_digest`` of what it was made of.
        basis: Number of the basis on which was screened; None where none was asked for.
        issuer, subject, request: As in ``Asked``.
    """

    id: str
    patient: str
    trial: str
    version: str
    at: datetime
    verdict: Mapping[str, Any] = field(repr=False)
    as_of: date
    overall: str
    inputs: str
    basis: int | None
    issuer: str | None
    subject: str
    request: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for a screening, and when.

    Attributes:
        issuer: Who vouches for the subject; None for the machine itself.
        subject: A user's id at that issuer, or the name of a job.
        request: Id of the request or run, as in the audit log.
    """

    at: datetime
    issuer: str | None
    subject: str
    request: str


class StoreScreenings:
    """The screenings of one tenant's server.

    Args:
        server: The FHIR base whose patients they are.
    """

    def __init__(self, engine: Engine, keys: Keyring, tenant: str, server: str) -> None:
        self._engine, self._keys, self._tenant, self._server = engine, keys, tenant, server

    def keep(
        self,
        verdict: Verdict,
        told: Mapping[str, Any],
        asked: Asked,
        *,
        definition: str,
        software: str,
        inputs: Sequence[Input],
        basis: int | None,
    ) -> KeptScreening:
        """Keeps a screening; it is there when this returns.

        Args:
            told: The verdict as JSON: ``contract.verdicts.verdict_json``.
            definition: Digest of the trial's definition.
            software: Our name and version.
            inputs: ``screening.inputs.inputs_of`` what was screened.
            basis: Number of the basis on which was screened; None where none is asked for.
        """
        row = ScreeningRow(
            id=f"sc-{secrets.token_hex(16)}",
            tenant=self._tenant,
            server=self._server,
            patient=self.key_of(verdict.patient),
            trial=verdict.trial,
            version=verdict.version,
            definition=definition,
            software=software,
            as_of=verdict.as_of,
            first_dose=verdict.first_dose,
            overall=verdict.overall.value,
            inputs=inputs_digest(inputs),
            basis=basis,
            at=asked.at,
            issuer=asked.issuer,
            subject=asked.subject,
            request=asked.request,
            seal=secrets.token_hex(16),
        )
        seal_in(
            row,
            self._keys,
            sealed_patient=verdict.patient,
            sealed_verdict=_json(told),
            sealed_shown=_json(shown_of(verdict).as_json()),
            sealed_inputs=_json([[one.reference, one.version, one.digest] for one in inputs]),
        )
        with transaction(self._engine, self._tenant) as session:
            session.add(row)
            session.flush()
            return self._kept(row)

    def screening(self, identity: str) -> KeptScreening | None:
        """The screening of that id."""
        row = self._row(identity)
        return self._kept(row) if row is not None else None

    def of_patient(self, key: str, trials: Collection[str] | None = None, limit: int = 100) -> list[KeptScreening]:
        """A patient's screenings, newest first: for these trials, or for all."""
        conditions = [*self._own, ScreeningRow.patient == key]
        conditions += [ScreeningRow.trial.in_(trials)] if trials is not None else []
        newest = select(ScreeningRow).where(*conditions).order_by(ScreeningRow.at.desc(), ScreeningRow.id).limit(limit)
        with Session(self._engine) as session:
            return [self._kept(row) for row in session.scalars(newest)]

    def shown(self, identity: str) -> Shown | None:
        """What a person has before them who looks at that screening."""
        row = self._row(identity)
        return Shown.from_json(self._read(row, "sealed_shown")) if row is not None else None

    def inputs(self, identity: str) -> tuple[Input, ...]:
        """What that screening was made of; empty where there is none of that id."""
        row = self._row(identity)
        return tuple(Input(*one) for one in self._read(row, "sealed_inputs")) if row is not None else ()

    def reference_of(self, key: str) -> str | None:
        """The server's own reference of a patient who was screened, ``Patient/id``: for asking the server, never to be shown."""
        newest = select(ScreeningRow).where(*self._own, ScreeningRow.patient == key).order_by(ScreeningRow.at.desc()).limit(1)
        with Session(self._engine) as session:
            row = session.scalars(newest).first()
            return open_from(row, self._keys, "sealed_patient") if row is not None else None

    def last_day(self, key: str, trial: str, until: date) -> date | None:
        """The newest day, until that one, as of which a patient was screened for a trial."""
        about = (*self._own, ScreeningRow.patient == key, ScreeningRow.trial == trial, ScreeningRow.as_of <= until)
        with Session(self._engine) as session:
            return session.scalars(select(func.max(ScreeningRow.as_of)).where(*about)).one()

    def key_of(self, patient: str) -> str:
        """Our key of ``Patient/id``, or of a fullUrl."""
        return patient_key(self._tenant, self._server, patient)

    def purge(self, before: datetime) -> int:
        """Takes away screenings older than that, but for those on which an answer or a step of a status rests; how many (SEC-29).

        A step rests on the newest screening of its patient and trial when it was taken. Answers and steps stay for good.
        """
        old = select(ScreeningRow.id).where(*self._own, ScreeningRow.at < before, ~_has_answers(), ~_has_steps()).limit(_BATCH)
        done = 0
        while True:
            with transaction(self._engine, self._tenant) as session:
                gone = session.scalars(old).all()
                session.execute(delete(ScreeningRow).where(ScreeningRow.id.in_(gone)))
            if not gone:
                return done
            done += len(gone)

    @property
    def _own(self) -> tuple[ColumnElement[bool], ...]:
        return ScreeningRow.tenant == self._tenant, ScreeningRow.server == self._server

    def _row(self, identity: str) -> ScreeningRow | None:
        with Session(self._engine) as session:
            return session.scalars(select(ScreeningRow).where(*self._own, ScreeningRow.id == identity)).first()

    def _read(self, row: ScreeningRow, column: str) -> Any:
        return decode_json(open_from(row, self._keys, column).encode())

    def _kept(self, row: ScreeningRow) -> KeptScreening:
        return KeptScreening(
            id=row.id,
            patient=row.patient,
            trial=row.trial,
            version=row.version,
            at=row.at,
            verdict=self._read(row, "sealed_verdict"),
            as_of=row.as_of,
            overall=row.overall,
            inputs=row.inputs,
            basis=row.basis,
            issuer=row.issuer,
            subject=row.subject,
            request=row.request,
        )


def _json(value: Any) -> str:
    return encode_json(value).decode()


def _has_answers() -> ColumnElement[bool]:
    return exists().where(AnswerRow.screening == ScreeningRow.id)


def _has_steps() -> ColumnElement[bool]:
    """Whether a step was taken when it was the newest screening of its patient and trial."""
    newer = aliased(ScreeningRow)
    same = (newer.tenant == StepRow.tenant, newer.patient == StepRow.patient, newer.trial == StepRow.trial)
    superseded = exists().where(*same, newer.at > ScreeningRow.at, newer.at <= StepRow.at).correlate(ScreeningRow, StepRow)
    own = (
        StepRow.tenant == ScreeningRow.tenant,
        StepRow.patient == ScreeningRow.patient,
        StepRow.trial == ScreeningRow.trial,
        StepRow.at >= ScreeningRow.at,
    )
    return exists().where(*own, ~superseded).correlate(ScreeningRow)
