"""The tables. A column ``sealed_*`` holds what ``sealing.py`` sealed; every table of a tenant's data names it (SEC-13)."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Dialect, ForeignKey, Index, Integer, LargeBinary, MetaData, String, TypeDecorator
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
