"""The basis of screening of each trial, and those it had before (SEC-34)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir_trial.errors import UsageError
from fhir_trial.people.bases import Basis, BasisKind, check_recordable
from fhir_trial.store.engine import transaction
from fhir_trial.store.fitting import check_text, fitting
from fhir_trial.store.tables import BasisRow


@dataclass(frozen=True, slots=True)
class KeptBasis:
    """A basis and its history (SEC-08).

    Attributes:
        ended_at: When somebody ended or replaced it; None otherwise. Whether its days have passed is another question.
    """

    basis: Basis
    recorded_at: datetime
    recorded_by: str
    ended_at: datetime | None
    ended_by: str | None
    ended_why: str | None


class StoreBases:
    """The bases of one tenant (SEC-13). At most one of a trial is not ended."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine, self._tenant = engine, tenant

    def record(self, basis: Basis, *, by: str, at: datetime) -> Basis:
        """Keeps it, and ends the former one in the same transaction; with its number.

        Raises:
            UsageError: It lacks what its kind needs, or a text does not fit.
        """
        check_recordable(basis)
        with transaction(self._engine, self._tenant) as session:
            former = self._open(session, basis.trial)
            row = BasisRow(
                tenant=self._tenant,
                trial=basis.trial,
                kind=str(basis.kind),
                reference=basis.reference,
                first_day=basis.first_day,
                last_day=basis.last_day,
                recorded_at=at,
                recorded_by=by,
            )
            session.add(fitting(row))
            session.flush()
            for each in former:
                each.ended_at, each.ended_by, each.ended_why = at, by, f"replaced by number {row.number}"
            return replace(basis, number=row.number)

    def end(self, trial: str, *, by: str, why: str, at: datetime) -> Basis:
        """Ends the one in force; from now on nobody is screened for the trial.

        Raises:
            UsageError: None is recorded, or a text does not fit.
        """
        check_text("why", why)
        with transaction(self._engine, self._tenant) as session:
            rows = self._open(session, trial)
            if not rows:
                raise UsageError(f"No basis to screen for {trial} is in force. `fhir-trial site basis list` shows them.")
            for row in rows:
                row.ended_at, row.ended_by, row.ended_why = at, by, why
                fitting(row)
            return _basis(rows[-1])

    def in_force(self, trial: str) -> Basis | None:
        """The one that nobody ended; ``check_basis`` looks at its days."""
        with Session(self._engine) as session:
            rows = self._open(session, trial)
            return _basis(rows[-1]) if rows else None

    def all(self) -> list[KeptBasis]:
        """Every basis that ever was, oldest first."""
        with Session(self._engine) as session:
            rows = session.scalars(select(BasisRow).where(BasisRow.tenant == self._tenant).order_by(BasisRow.number)).all()
            return [
                KeptBasis(_basis(row), row.recorded_at, row.recorded_by, row.ended_at, row.ended_by, row.ended_why)
                for row in rows
            ]

    def _open(self, session: Session, trial: str) -> list[BasisRow]:
        of_trial = (BasisRow.tenant == self._tenant, BasisRow.trial == trial, BasisRow.ended_at.is_(None))
        return list(session.scalars(select(BasisRow).where(*of_trial).order_by(BasisRow.number)))


def _basis(row: BasisRow) -> Basis:
    return Basis(row.trial, BasisKind(row.kind), row.reference, row.first_day, row.last_day, row.number)
