"""The steps of a patient's status in a trial: people's decisions, in order, none obscured (SEC-08, WB-26).

The machine's own flag is no step: it stands in the outbox and on the server.

A step is committed before anything is written to the server, and afterwards told what became of it there. What the server
refused stays in the history and counts no more.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Engine, exists, func, select
from sqlalchemy.orm import Session, aliased

from fhir_trial.errors import ConflictError, UsageError
from fhir_trial.people.statuses import NO_STANDING, By, Standing, Status
from fhir_trial.store.engine import transaction
from fhir_trial.store.rewrapping import open_from, seal_in
from fhir_trial.store.sealing import Keyring
from fhir_trial.store.tables import StepRow

_LONGEST_NOTE = 1000
_OVERTAKEN = "A later step was written in its place."


class StepState(StrEnum):
    """What became of a step on the server."""

    DECIDED = "decided"  # committed; not known on the server yet, or not known whether
    WRITTEN = "written"
    KEPT = "kept"  # here alone: nothing is written back
    REFUSED = "refused"  # by the server, or by somebody's later change there: it does not count

    @property
    def counts(self) -> bool:
        """Whether the patient's standing follows from it."""
        return self is not StepState.REFUSED

    @property
    def is_open(self) -> bool:
        """Whether the server may have it yet."""
        return self in (StepState.DECIDED, StepState.KEPT)


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        number: Ours; later steps have higher ones.
        patient: Our key, ``pt-...``
        before: Status before it; None: no standing.
        status: Status after it; None: the flag was taken back.
        is_registered: Whether the patient was on study in this episode, this step included.
        reason_code: A code of ``people.statuses.REASONS``, or None.
        since: First day of the status.
        issuer: Who vouches for the subject; None for the machine.
        at: When it was decided.
        note: What became of it, in a sentence without patient data.
        reference: The server's resource that it was written to.
        version: Version of that resource after it.
        reason: A person's own words.
        settled: When it became known what the server did with it.
        patient_reference: ``Patient/id``: for asking the server, never to be shown.
    """

    number: int
    patient: str
    trial: str
    episode: int
    before: Status | None
    status: Status | None
    is_registered: bool
    reason_code: str | None
    since: date
    by: By
    issuer: str | None
    subject: str
    at: datetime
    state: StepState
    note: str | None
    reference: str | None
    version: str | None
    reason: str | None = field(repr=False)
    settled: datetime | None
    patient_reference: str = field(repr=False)

    @property
    def standing(self) -> Standing:
        """Where the patient stands after it."""
        return Standing(self.status, self.episode, self.is_registered, self.reason_code)


@dataclass(frozen=True, slots=True)
class Taken:
    """Who takes a step, when, and why.

    Attributes:
        since: First day of the status.
        issuer: Who vouches for the subject; None for the machine.
        subject: A user's id at that issuer, or the name of a job.
        reason: A person's own words.
    """

    at: datetime
    since: date
    by: By
    issuer: str | None
    subject: str
    reason: str | None = field(default=None, repr=False)


class StoreSteps:
    """The steps of one tenant's patients. Which are legal is known by ``people.statuses``, and asked by the caller."""

    def __init__(self, engine: Engine, keys: Keyring, tenant: str) -> None:
        self._engine, self._keys, self._tenant = engine, keys, tenant

    def standing(self, key: str, trial: str) -> tuple[Standing, Step | None]:
        """Where a patient stands, and the step that says so; nobody stands anywhere before the first step."""
        with Session(self._engine) as session:
            row = self._last(session, key, trial)
            last = self._step(row) if row is not None else None
        return (last.standing if last is not None else NO_STANDING), last

    def take(
        self,
        key: str,
        patient_reference: str,
        trial: str,
        standing_before: Standing,
        after: Standing,
        *,
        after_step: int | None,
        taken: Taken,
    ) -> Step:
        """Commits a step, to be written to the server next.

        Args:
            standing_before: From ``standing``.
            after: What ``people.statuses.moved`` makes of it.
            after_step: Number of the step that ``standing`` returned; None for none.

        Raises:
            ConflictError: Another step was taken meanwhile. Nothing was committed.
        """
        with transaction(self._engine, self._tenant) as session:
            last = self._last(session, key, trial)
            if (last.number if last is not None else None) != after_step:
                raise ConflictError(
                    "The patient's status was changed by somebody else meanwhile. Look at it again, and decide then."
                )
            row = StepRow(
                tenant=self._tenant,
                patient=key,
                trial=trial,
                episode=after.episode,
                before=_value(standing_before.status),
                status=_value(after.status),
                is_registered=after.is_registered,
                reason_code=after.reason,
                since=taken.since,
                by=taken.by.value,
                issuer=taken.issuer,
                subject=taken.subject,
                at=taken.at,
                state=StepState.DECIDED.value,
                seal=secrets.token_hex(16),
            )
            seal_in(row, self._keys, sealed_patient=patient_reference, sealed_reason=taken.reason)
            session.add(row)
            session.flush()
            return self._step(row)

    def settle(
        self,
        number: int,
        state: StepState,
        *,
        note: str | None = None,
        reference: str | None = None,
        version: str | None = None,
        at: datetime,
    ) -> None:
        """What became of a step on the server. Once it is written or refused it stays so: a second word about it changes nothing.

        Args:
            state: DECIDED: still not known; note, reference and version are kept.

        Raises:
            UsageError: There is no such step.
        """
        with transaction(self._engine, self._tenant) as session:
            own = (StepRow.tenant == self._tenant, StepRow.number == number)
            row = session.scalars(select(StepRow).where(*own)).first()
            if row is None:
                raise UsageError("There is no such step.")
            if not StepState(row.state).is_open:
                return
            row.state = state.value
            row.note = (note or "")[:_LONGEST_NOTE] or row.note
            row.reference = reference or row.reference
            row.subject_version = version or row.subject_version
            row.settled_at = at if state is not StepState.DECIDED else None
            if state is StepState.WRITTEN:
                self._overtake(session, row, at)

    def open(self, key: str | None = None) -> list[Step]:
        """Steps of which is not known what the server did with them, oldest first: of one patient, or of all."""
        conditions = [StepRow.state == StepState.DECIDED.value]
        conditions += [StepRow.patient == key] if key is not None else []
        return list(self._steps(*conditions))

    def unsent(self, trials: Collection[str] | None = None, limit: int = 100) -> list[Step]:
        """Where patients stand by decisions that the server does not have, those that wait longest first.

        Args:
            trials: None for all.
        """
        within = [StepRow.trial.in_(trials)] if trials is not None else []
        found = select(StepRow).where(*self._unsent, *within).order_by(StepRow.number).limit(limit)
        with Session(self._engine) as session:
            return [self._step(row) for row in session.scalars(found)]

    def unsent_counts(self) -> dict[str, int]:
        """How many ``unsent`` are in each open state."""
        counted = select(StepRow.state, func.count()).where(*self._unsent).group_by(StepRow.state)
        with Session(self._engine) as session:
            found = session.execute(counted).all()
        return {state.value: sum(count for name, count in found if name == state) for state in StepState if state.is_open}

    @property
    def _unsent(self) -> tuple[ColumnElement[bool], ...]:
        """The last step that counts of a patient and trial, while it is open."""
        later = aliased(StepRow)
        same = (later.tenant == StepRow.tenant, later.patient == StepRow.patient, later.trial == StepRow.trial)
        counting = later.state.in_([state.value for state in StepState if state.counts])
        overtaken = exists().where(*same, later.number > StepRow.number, counting).correlate(StepRow)
        is_open = StepRow.state.in_([state.value for state in StepState if state.is_open])
        return StepRow.tenant == self._tenant, is_open, ~overtaken

    def of_patient(self, key: str, trial: str) -> list[Step]:
        """Every step, oldest first, those refused as well."""
        return list(self._steps(StepRow.patient == key, StepRow.trial == trial))

    def _overtake(self, session: Session, row: StepRow, at: datetime) -> None:
        """What had not arrived before a later step did, never will: it is kept here alone."""
        same = (StepRow.tenant == self._tenant, StepRow.patient == row.patient, StepRow.trial == row.trial)
        earlier = select(StepRow).where(*same, StepRow.number < row.number, StepRow.state == StepState.DECIDED.value)
        for one in session.scalars(earlier):
            one.state, one.note, one.settled_at = StepState.KEPT.value, _OVERTAKEN, at

    def _steps(self, *conditions: ColumnElement[bool]) -> Iterator[Step]:
        found = select(StepRow).where(StepRow.tenant == self._tenant, *conditions).order_by(StepRow.number)
        with Session(self._engine) as session:
            rows = session.scalars(found).all()
        return map(self._step, rows)

    def _last(self, session: Session, key: str, trial: str) -> StepRow | None:
        about = (StepRow.tenant == self._tenant, StepRow.patient == key, StepRow.trial == trial)
        counting = StepRow.state.in_([state.value for state in StepState if state.counts])
        return session.scalars(select(StepRow).where(*about, counting).order_by(StepRow.number.desc()).limit(1)).first()

    def _step(self, row: StepRow) -> Step:
        return Step(
            number=row.number,
            patient=row.patient,
            trial=row.trial,
            episode=row.episode,
            before=Status(row.before) if row.before is not None else None,
            status=Status(row.status) if row.status is not None else None,
            is_registered=row.is_registered,
            reason_code=row.reason_code,
            since=row.since,
            by=By(row.by),
            issuer=row.issuer,
            subject=row.subject,
            at=row.at,
            state=StepState(row.state),
            note=row.note,
            reference=row.reference,
            version=row.subject_version,
            reason=open_from(row, self._keys, "sealed_reason") if row.sealed_reason is not None else None,
            settled=row.settled_at,
            patient_reference=open_from(row, self._keys, "sealed_patient"),
        )


def _value(status: Status | None) -> str | None:
    return status.value if status is not None else None
