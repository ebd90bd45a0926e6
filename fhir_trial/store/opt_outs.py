"""The register of patients who are to be left alone (SEC-36). It holds our keys for them, never an id of the hospital's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, or_, select
from sqlalchemy.orm import Session

from fhir_trial.errors import UsageError
from fhir_trial.people.opt_outs import OptOutKind, first_of
from fhir_trial.store.engine import transaction
from fhir_trial.store.fitting import check_text, fitting, may_be_kept
from fhir_trial.store.tables import OptOutRow

_MANY = 500  # keys in one question: SQLite once allowed 999 values


@dataclass(frozen=True, slots=True)
class KeptOptOut:
    """An entry of the register and its history (SEC-08).

    Attributes:
        patient: ``audit.patient_key``.
        trial: None for all trials.
        lifted_at: None as long as it is in force.
    """

    patient: str
    trial: str | None
    kind: OptOutKind
    recorded_at: datetime
    recorded_by: str
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_why: str | None


class StoreOptOuts:
    """The register of one tenant (SEC-13). Patients are named by ``audit.patient_key``."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine, self._tenant = engine, tenant

    def record(self, patient_key: str, trial: str | None, kind: OptOutKind, *, by: str, at: datetime) -> bool:
        """Enters a patient, for one trial or for all; whether it is new: entered twice is one entry.

        Raises:
            UsageError: A text does not fit.
        """
        return self.record_all([patient_key], trial, kind, by=by, at=at) == 1

    def record_all(self, patient_keys: Collection[str], trial: str | None, kind: OptOutKind, *, by: str, at: datetime) -> int:
        """Enters all of them or, if anything goes wrong, none; how many are new.

        Raises:
            UsageError: A text does not fit.
        """
        with transaction(self._engine, self._tenant) as session:
            same = (_exactly(trial), OptOutRow.kind == str(kind))
            known = {row.patient for row in self._in_force(session, patient_keys, *same)}
            new = [key for key in dict.fromkeys(patient_keys) if key not in known]
            for key in new:
                row = OptOutRow(tenant=self._tenant, patient=key, trial=trial, kind=str(kind), recorded_at=at, recorded_by=by)
                session.add(fitting(row))
            return len(new)

    def lift(self, patient_key: str, trial: str | None, *, by: str, why: str, at: datetime) -> None:
        """Takes a patient from the register, whatever the kind; the entries stay in the history.

        Args:
            trial: As it was entered: an entry for all trials is lifted by None alone.

        Raises:
            UsageError: There is no such entry in force, or a text does not fit.
        """
        self.lift_all([patient_key], trial, by=by, why=why, at=at)

    def lift_all(self, patient_keys: Collection[str], trial: str | None, *, by: str, why: str, at: datetime) -> None:
        """Takes all of them from the register or, if one of them is not on it, none.

        Raises:
            UsageError: As for ``lift``.
        """
        check_text("why", why)
        with transaction(self._engine, self._tenant) as session:
            rows = self._in_force(session, patient_keys, _exactly(trial))
            missing = set(patient_keys) - {row.patient for row in rows}
            if missing:
                of_what = f"for {trial}" if trial else "for all trials"
                raise UsageError(
                    f"Nothing was lifted: {len(missing)} of {len(set(patient_keys))} patients have no entry {of_what}. "
                    "`fhir-trial site opt-out list` shows it; an entry is lifted as it was made."
                )
            for row in rows:
                row.lifted_at, row.lifted_by, row.lifted_why = at, by, why
                fitting(row)

    def kind_of(self, patient_key: str, trial: str | None) -> OptOutKind | None:
        """Why a patient is to be left alone in a trial; None: may be screened. An entry for all trials counts for each.

        Args:
            trial: None asks for entries for all trials alone.
        """
        with Session(self._engine) as session:
            rows = self._in_force(session, [patient_key], _counting_for(trial))
            return first_of({OptOutKind(row.kind) for row in rows})

    def among(self, patient_keys: Collection[str], trial: str | None) -> frozenset[str]:
        """Those of them who are to be left alone in a trial."""
        with Session(self._engine) as session:
            return frozenset(row.patient for row in self._in_force(session, patient_keys, _counting_for(trial)))

    def all(self) -> list[KeptOptOut]:
        """Every entry that ever was, oldest first."""
        with Session(self._engine) as session:
            rows = session.scalars(select(OptOutRow).where(OptOutRow.tenant == self._tenant).order_by(OptOutRow.number)).all()
            return [
                KeptOptOut(
                    row.patient,
                    row.trial,
                    OptOutKind(row.kind),
                    row.recorded_at,
                    row.recorded_by,
                    row.lifted_at,
                    row.lifted_by,
                    row.lifted_why,
                )
                for row in rows
            ]

    def _in_force(self, session: Session, patient_keys: Collection[str], *conditions: ColumnElement[bool]) -> list[OptOutRow]:
        asked = select(OptOutRow).where(OptOutRow.tenant == self._tenant, OptOutRow.lifted_at.is_(None), *conditions)
        keys = [key for key in dict.fromkeys(patient_keys) if may_be_kept(key)]
        chunks = [keys[start : start + _MANY] for start in range(0, len(keys), _MANY)]
        return [row for chunk in chunks for row in session.scalars(asked.where(OptOutRow.patient.in_(chunk)))]


def _exactly(trial: str | None) -> ColumnElement[bool]:
    return OptOutRow.trial.is_(None) if trial is None else OptOutRow.trial == trial


def _counting_for(trial: str | None) -> ColumnElement[bool]:
    return OptOutRow.trial.is_(None) if trial is None else or_(OptOutRow.trial.is_(None), OptOutRow.trial == trial)
