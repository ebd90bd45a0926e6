"""Tenants, outbox, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fhir_trial.store.tables import Instant

revision = "r001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """The first schema."""
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("stopped_at", Instant()),
        sa.Column("stopped_by", sa.String(300)),
        sa.Column("stopped_why", sa.String(1000)),
        sa.PrimaryKeyConstraint("name", name="pk_tenants"),
    )
    op.create_table(
        "outbox",
        sa.Column("number", _ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("server", sa.String(500), nullable=False),
        sa.Column("trial", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("identifier", sa.String(600), nullable=False),
        sa.Column("interaction", sa.String(16), nullable=False),
        sa.Column("if_match", sa.String(100)),
        sa.Column("seal", sa.String(32), nullable=False),
        sa.Column("sealed_patient", sa.LargeBinary()),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(200)),
        sa.Column("version", sa.String(100)),
        sa.Column("note", sa.String(1000)),
        sa.PrimaryKeyConstraint("number", name="pk_outbox"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_outbox_tenant_tenants"),
    )
    op.create_index("ix_outbox_key", "outbox", ["key"])
    op.create_index("ix_outbox_place", "outbox", ["tenant", "server", "kind", "identifier"])
    op.create_index("ix_outbox_state", "outbox", ["tenant", "server", "state"])
    op.create_index("ix_outbox_reference", "outbox", ["server", "reference"])
    op.create_table(
        "audit",
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("number", _ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number", name="pk_audit"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_audit_tenant_tenants"),
    )
