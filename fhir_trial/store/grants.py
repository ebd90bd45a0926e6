"""Users and what they may do: a role by our own grant, keyed by issuer and subject (SEC-12, SEC-16, SMART-36)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, select
from sqlalchemy.orm import Session

from fhir_trial.errors import UsageError
from fhir_trial.people.roles import Role, role_of
from fhir_trial.store.engine import transaction
from fhir_trial.store.fitting import check_text, fitting, may_be_kept
from fhir_trial.store.tables import GrantRow, UserRow


@dataclass(frozen=True, slots=True)
class Given:
    """A role that somebody has.

    Attributes:
        trial: Trial id; None for all trials.
    """

    role: str
    trial: str | None


@dataclass(frozen=True, slots=True)
class KeptGrant:
    """A grant and its history (SEC-08).

    Attributes:
        name: What the user is called; decides nothing.
        ended_at: None as long as it is in force.
    """

    number: int
    issuer: str
    subject: str
    name: str | None
    role: str
    trial: str | None
    given_at: datetime
    given_by: str
    given_why: str | None
    ended_at: datetime | None
    ended_by: str | None
    ended_why: str | None


class StoreGrants:
    """The grants of one tenant; no method takes another's name (SEC-13). A stranger has none."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine, self._tenant = engine, tenant

    def roles(self, issuer: str, subject: str) -> list[Given]:
        """What a user may do now, oldest grant first. Issuer and subject must be exactly those of the token."""
        if not may_be_kept(issuer, subject):
            return []
        with Session(self._engine) as session:
            found = session.scalars(select(GrantRow).where(*self._of(issuer, subject)).order_by(GrantRow.number)).all()
            return [Given(row.role, row.trial) for row in found]

    def grant(  # noqa: PLR0913 - who, as what, on what; and by whom, when and why
        self,
        issuer: str,
        subject: str,
        role: str,
        trial: str | None,
        *,
        name: str | None = None,
        by: str,
        why: str | None = None,
        at: datetime,
    ) -> bool:
        """Gives a role; whether it is new: given twice, the first stands.

        Args:
            trial: None for all trials.
            name: Replaces what the user was called; None leaves it.

        Raises:
            UsageError: There is no such role, or a text does not fit.
        """
        wanted = role_of(role)
        _check_user(issuer, subject)
        with transaction(self._engine, self._tenant) as session:
            self._add_user(session, issuer, subject, name, by, at)
            if self._in_force(session, issuer, subject, wanted, trial) is not None:
                return False
            row = GrantRow(tenant=self._tenant, issuer=issuer, subject=subject, role=str(wanted), trial=trial)
            row.given_at, row.given_by, row.given_why = at, by, why
            session.add(fitting(row))
            return True

    def revoke(self, issuer: str, subject: str, role: str, trial: str | None, *, by: str, why: str, at: datetime) -> None:
        """Ends a grant; it stays in the history.

        Args:
            trial: As it was granted: a grant for all trials is ended by None alone.

        Raises:
            UsageError: No such grant is in force, or a text does not fit.
        """
        wanted = role_of(role)
        _check_user(issuer, subject)
        with transaction(self._engine, self._tenant) as session:
            row = self._in_force(session, issuer, subject, wanted, trial)
            if row is None:
                of_what = f"for {trial}" if trial else "for all trials"
                raise UsageError(
                    f"This user has no grant as {wanted} {of_what}. `fhir-trial site grants` lists those in force; "
                    "a grant is revoked as it was given."
                )
            check_text("why", why)
            row.ended_at, row.ended_by, row.ended_why = at, by, why
            fitting(row)

    def name_of(self, issuer: str, subject: str) -> str | None:
        """What a user is called, if somebody said so."""
        if not may_be_kept(issuer, subject):
            return None
        with Session(self._engine) as session:
            row = session.get(UserRow, (self._tenant, issuer, subject))
            return row.name if row is not None else None

    def all(self) -> list[KeptGrant]:
        """Every grant that ever was, oldest first."""
        with Session(self._engine) as session:
            users = session.scalars(select(UserRow).where(UserRow.tenant == self._tenant)).all()
            names = {(user.issuer, user.subject): user.name for user in users}
            rows = session.scalars(select(GrantRow).where(GrantRow.tenant == self._tenant).order_by(GrantRow.number)).all()
            return [_kept(row, names.get((row.issuer, row.subject))) for row in rows]

    def _of(self, issuer: str, subject: str) -> tuple[ColumnElement[bool], ...]:
        return (
            GrantRow.tenant == self._tenant,
            GrantRow.issuer == issuer,
            GrantRow.subject == subject,
            GrantRow.ended_at.is_(None),
        )

    def _in_force(self, session: Session, issuer: str, subject: str, role: Role, trial: str | None) -> GrantRow | None:
        on_trial = GrantRow.trial.is_(None) if trial is None else GrantRow.trial == trial
        return session.scalars(select(GrantRow).where(*self._of(issuer, subject), GrantRow.role == str(role), on_trial)).first()

    def _add_user(self, session: Session, issuer: str, subject: str, name: str | None, by: str, at: datetime) -> None:
        user = session.get(UserRow, (self._tenant, issuer, subject))
        if user is None:
            user = UserRow(tenant=self._tenant, issuer=issuer, subject=subject, name=name, added_at=at, added_by=by)
            session.add(fitting(user))
        elif name is not None:
            user.name = name
            fitting(user)
        session.flush()


def _check_user(issuer: str, subject: str) -> None:
    check_text("issuer", issuer)
    check_text("subject", subject)


def _kept(row: GrantRow, name: str | None) -> KeptGrant:
    return KeptGrant(
        number=row.number,
        issuer=row.issuer,
        subject=row.subject,
        name=name,
        role=row.role,
        trial=row.trial,
        given_at=row.given_at,
        given_by=row.given_by,
        given_why=row.given_why,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        ended_why=row.ended_why,
    )
