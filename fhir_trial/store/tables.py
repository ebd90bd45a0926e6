"""The tables. A column ``sealed_*`` holds what ``sealing.py`` sealed; every table of a tenant's data names it (SEC-13)."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: SQLite counts rows by INTEGER alone.
_ROW_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware moment, kept as UTC: SQLite drops zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A moment without zone is not kept.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names constraints, so that a migration can find them again."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class TenantRow(Base):
    """A hospital or site, and whether everything towards its servers is stopped (SEC-60)."""

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    stopped_at: Mapped[datetime | None] = mapped_column(Instant)
    stopped_by: Mapped[str | None] = mapped_column(String(300))
    stopped_why: Mapped[str | None] = mapped_column(String(1000))


class OutboxRow(Base):
    """An intent to write (WB-03)."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_place", "tenant", "server", "kind", "identifier"),
        Index("ix_outbox_state", "tenant", "server", "state"),
        Index("ix_outbox_reference", "server", "reference"),
    )

    number: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(200), index=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    server: Mapped[str] = mapped_column(String(500))
    trial: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(64))
    identifier: Mapped[str] = mapped_column(String(600))
    interaction: Mapped[str] = mapped_column(String(16))
    if_match: Mapped[str | None] = mapped_column(String(100))
    seal: Mapped[str] = mapped_column(String(32))
    sealed_patient: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(Instant)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    reference: Mapped[str | None] = mapped_column(String(200))
    version: Mapped[str | None] = mapped_column(String(100))
    note: Mapped[str | None] = mapped_column(String(1000))


class AuditRow(Base):
    """An event of the audit chain: what the line says, and the hash over it and the line before (SEC-01)."""

    __tablename__ = "audit"

    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"), primary_key=True)
    number: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=False)
    line: Mapped[str] = mapped_column(String)
    hash: Mapped[str] = mapped_column(String(64))


class UserRow(Base):
    """Somebody whom an issuer vouches for; the same subject of two issuers is two users (SEC-16, SMART-36)."""

    __tablename__ = "users"

    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(500), primary_key=True)
    subject: Mapped[str] = mapped_column(String(300), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(300))
    added_at: Mapped[datetime] = mapped_column(Instant)
    added_by: Mapped[str] = mapped_column(String(300))


class GrantRow(Base):
    """A role of a user, on one trial or, without one, on all; ended, never deleted (SEC-08, SEC-12)."""

    __tablename__ = "grants"
    __table_args__ = (Index("ix_grants_user", "tenant", "issuer", "subject"),)

    number: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(300))
    role: Mapped[str] = mapped_column(String(32))
    trial: Mapped[str | None] = mapped_column(String(100))
    given_at: Mapped[datetime] = mapped_column(Instant)
    given_by: Mapped[str] = mapped_column(String(300))
    given_why: Mapped[str | None] = mapped_column(String(1000))
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by: Mapped[str | None] = mapped_column(String(300))
    ended_why: Mapped[str | None] = mapped_column(String(1000))


class BasisRow(Base):
    """On what a tenant screens for a trial; replaced by a newer one or ended, never deleted (SEC-34)."""

    __tablename__ = "screening_bases"
    __table_args__ = (Index("ix_screening_bases_trial", "tenant", "trial"),)

    number: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    trial: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(32))
    reference: Mapped[str | None] = mapped_column(String(300))
    first_day: Mapped[date] = mapped_column(Date)
    last_day: Mapped[date | None] = mapped_column(Date)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    recorded_by: Mapped[str] = mapped_column(String(300))
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by: Mapped[str | None] = mapped_column(String(300))
    ended_why: Mapped[str | None] = mapped_column(String(1000))


class OptOutRow(Base):
    """A patient not to be screened or written to, for one trial or, without one, for all; lifted, never deleted (SEC-36)."""

    __tablename__ = "opt_outs"
    __table_args__ = (Index("ix_opt_outs_patient", "tenant", "patient"),)

    number: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    patient: Mapped[str] = mapped_column(String(80))
    trial: Mapped[str | None] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(32))
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    recorded_by: Mapped[str] = mapped_column(String(300))
    lifted_at: Mapped[datetime | None] = mapped_column(Instant)
    lifted_by: Mapped[str | None] = mapped_column(String(300))
    lifted_why: Mapped[str | None] = mapped_column(String(1000))


class SmartClientRow(Base):
    """How we are registered with one EHR of a tenant: what a SMART launch from it needs (SMART-10, SMART-35, SMART-62)."""

    __tablename__ = "smart_clients"

    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"), primary_key=True)
    iss: Mapped[str] = mapped_column(String(500), primary_key=True)
    practice: Mapped[str] = mapped_column(String(100), primary_key=True, default="")
    client_id: Mapped[str] = mapped_column(String(300))
    authentication: Mapped[str] = mapped_column(String(16))
    seal: Mapped[str] = mapped_column(String(32))
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    id_issuer: Mapped[str | None] = mapped_column(String(500))
    id_keys: Mapped[str | None] = mapped_column(String(500))
    scope_version: Mapped[str | None] = mapped_column(String(4))
    frame_ancestors: Mapped[str | None] = mapped_column(String(1000))
    is_enabled: Mapped[bool] = mapped_column(Boolean)
    registered_at: Mapped[datetime] = mapped_column(Instant)
    registered_by: Mapped[str] = mapped_column(String(300))


class ScreeningRow(Base):
    """A screening as it was, and of what it was made: the verdict, each input's version, who asked (SEC-03, SEC-52)."""

    __tablename__ = "screenings"
    __table_args__ = (Index("ix_screenings_patient", "tenant", "patient", "trial", "at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    server: Mapped[str] = mapped_column(String(500))
    patient: Mapped[str] = mapped_column(String(80))
    trial: Mapped[str] = mapped_column(String(100))
    version: Mapped[str] = mapped_column(String(100))
    definition: Mapped[str] = mapped_column(String(100))
    software: Mapped[str] = mapped_column(String(100))
    as_of: Mapped[date] = mapped_column(Date)
    first_dose: Mapped[date | None] = mapped_column(Date)
    overall: Mapped[str] = mapped_column(String(40))
    inputs: Mapped[str] = mapped_column(String(80))
    basis: Mapped[int | None] = mapped_column(ForeignKey("screening_bases.number"))
    at: Mapped[datetime] = mapped_column(Instant)
    issuer: Mapped[str | None] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(300))
    request: Mapped[str] = mapped_column(String(100))
    seal: Mapped[str] = mapped_column(String(32))
    sealed_patient: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_verdict: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_shown: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_inputs: Mapped[bytes] = mapped_column(LargeBinary)


class AnswerRow(Base):
    """What a person said of a criterion, with a screening before them; never changed, a newer one counts (SEC-08, SEC-51)."""

    __tablename__ = "answers"
    __table_args__ = (Index("ix_answers_patient", "tenant", "patient", "trial"),)

    number: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(40), unique=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    patient: Mapped[str] = mapped_column(String(80))
    trial: Mapped[str] = mapped_column(String(100))
    version: Mapped[str] = mapped_column(String(100))
    criterion: Mapped[str] = mapped_column(String(64))
    says: Mapped[str] = mapped_column(String(16))
    evidence: Mapped[str] = mapped_column(String(80))
    screening: Mapped[str] = mapped_column(ForeignKey("screenings.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(300))
    name: Mapped[str | None] = mapped_column(String(300))
    seal: Mapped[str] = mapped_column(String(32))
    sealed_patient: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_reason: Mapped[bytes | None] = mapped_column(LargeBinary)


class StepRow(Base):
    """A step of a patient's status in a trial: a person's decision (WB-26).

    Never changed, but for what became of it on the server (SEC-08).
    """

    __tablename__ = "steps"
    __table_args__ = (Index("ix_steps_patient", "tenant", "patient", "trial"),)

    number: Mapped[int] = mapped_column(_ROW_NUMBER, primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    patient: Mapped[str] = mapped_column(String(80))
    trial: Mapped[str] = mapped_column(String(100))
    episode: Mapped[int] = mapped_column(Integer)
    before: Mapped[str | None] = mapped_column(String(32))
    status: Mapped[str | None] = mapped_column(String(32))
    is_registered: Mapped[bool] = mapped_column(Boolean)
    reason_code: Mapped[str | None] = mapped_column(String(64))
    since: Mapped[date] = mapped_column(Date)
    by: Mapped[str] = mapped_column(String(16))
    issuer: Mapped[str | None] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(300))
    at: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(String(16))
    note: Mapped[str | None] = mapped_column(String(1000))
    reference: Mapped[str | None] = mapped_column(String(200))
    subject_version: Mapped[str | None] = mapped_column(String(100))
    settled_at: Mapped[datetime | None] = mapped_column(Instant)
    seal: Mapped[str] = mapped_column(String(32))
    sealed_patient: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_reason: Mapped[bytes | None] = mapped_column(LargeBinary)
