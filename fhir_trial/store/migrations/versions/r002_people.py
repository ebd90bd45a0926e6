"""Users and grants, the basis of screening and opt-outs, registered SMART clients; screenings, answers, steps of a status."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fhir_trial.store.tables import Instant

revision = "r002"
down_revision = "r001"
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """What people say and may do, and what they were shown; tables that others refer to come first."""
    _grants()
    _opt_outs()
    _screening_bases()
    _smart_clients()
    _steps()
    _users()
    _screenings()
    _answers()


def _grants() -> None:
    op.create_table(
        "grants",
        sa.Column("number", _ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("trial", sa.String(100)),
        sa.Column("given_at", Instant(), nullable=False),
        sa.Column("given_by", sa.String(300), nullable=False),
        sa.Column("given_why", sa.String(1000)),
        sa.Column("ended_at", Instant()),
        sa.Column("ended_by", sa.String(300)),
        sa.Column("ended_why", sa.String(1000)),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_grants_tenant_tenants"),
        sa.PrimaryKeyConstraint("number", name="pk_grants"),
    )
    op.create_index("ix_grants_user", "grants", ["tenant", "issuer", "subject"])


def _opt_outs() -> None:
    op.create_table(
        "opt_outs",
        sa.Column("number", _ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("patient", sa.String(80), nullable=False),
        sa.Column("trial", sa.String(100)),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("recorded_by", sa.String(300), nullable=False),
        sa.Column("lifted_at", Instant()),
        sa.Column("lifted_by", sa.String(300)),
        sa.Column("lifted_why", sa.String(1000)),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_opt_outs_tenant_tenants"),
        sa.PrimaryKeyConstraint("number", name="pk_opt_outs"),
    )
    op.create_index("ix_opt_outs_patient", "opt_outs", ["tenant", "patient"])


def _screening_bases() -> None:
    op.create_table(
        "screening_bases",
        sa.Column("number", _ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("trial", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("reference", sa.String(300)),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date()),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("recorded_by", sa.String(300), nullable=False),
        sa.Column("ended_at", Instant()),
        sa.Column("ended_by", sa.String(300)),
        sa.Column("ended_why", sa.String(1000)),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_screening_bases_tenant_tenants"),
        sa.PrimaryKeyConstraint("number", name="pk_screening_bases"),
    )
    op.create_index("ix_screening_bases_trial", "screening_bases", ["tenant", "trial"])


def _smart_clients() -> None:
    op.create_table(
        "smart_clients",
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("iss", sa.String(500), nullable=False),
        sa.Column("practice", sa.String(100), nullable=False),
        sa.Column("client_id", sa.String(300), nullable=False),
        sa.Column("authentication", sa.String(16), nullable=False),
        sa.Column("seal", sa.String(32), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary()),
        sa.Column("id_issuer", sa.String(500)),
        sa.Column("id_keys", sa.String(500)),
        sa.Column("scope_version", sa.String(4)),
        sa.Column("frame_ancestors", sa.String(1000)),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.Column("registered_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_smart_clients_tenant_tenants"),
        sa.PrimaryKeyConstraint("tenant", "iss", "practice", name="pk_smart_clients"),
    )


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("number", _ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("patient", sa.String(80), nullable=False),
        sa.Column("trial", sa.String(100), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("before", sa.String(32)),
        sa.Column("status", sa.String(32)),
        sa.Column("is_registered", sa.Boolean(), nullable=False),
        sa.Column("reason_code", sa.String(64)),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("by", sa.String(16), nullable=False),
        sa.Column("issuer", sa.String(500)),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("note", sa.String(1000)),
        sa.Column("reference", sa.String(200)),
        sa.Column("subject_version", sa.String(100)),
        sa.Column("settled_at", Instant()),
        sa.Column("seal", sa.String(32), nullable=False),
        sa.Column("sealed_patient", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_reason", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_steps_tenant_tenants"),
        sa.PrimaryKeyConstraint("number", name="pk_steps"),
    )
    op.create_index("ix_steps_patient", "steps", ["tenant", "patient", "trial"])


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("name", sa.String(300)),
        sa.Column("added_at", Instant(), nullable=False),
        sa.Column("added_by", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_users_tenant_tenants"),
        sa.PrimaryKeyConstraint("tenant", "issuer", "subject", name="pk_users"),
    )


def _screenings() -> None:
    op.create_table(
        "screenings",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("server", sa.String(500), nullable=False),
        sa.Column("patient", sa.String(80), nullable=False),
        sa.Column("trial", sa.String(100), nullable=False),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("definition", sa.String(100), nullable=False),
        sa.Column("software", sa.String(100), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("first_dose", sa.Date()),
        sa.Column("overall", sa.String(40), nullable=False),
        sa.Column("inputs", sa.String(80), nullable=False),
        sa.Column("basis", _ROW_NUMBER),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("issuer", sa.String(500)),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("request", sa.String(100), nullable=False),
        sa.Column("seal", sa.String(32), nullable=False),
        sa.Column("sealed_patient", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_verdict", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_shown", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_inputs", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["basis"], ["screening_bases.number"], name="fk_screenings_basis_screening_bases"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_screenings_tenant_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_screenings"),
    )
    op.create_index("ix_screenings_patient", "screenings", ["tenant", "patient", "trial", "at"])


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("number", _ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("patient", sa.String(80), nullable=False),
        sa.Column("trial", sa.String(100), nullable=False),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("criterion", sa.String(64), nullable=False),
        sa.Column("says", sa.String(16), nullable=False),
        sa.Column("evidence", sa.String(80), nullable=False),
        sa.Column("screening", sa.String(40), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("name", sa.String(300)),
        sa.Column("seal", sa.String(32), nullable=False),
        sa.Column("sealed_patient", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_reason", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["screening"], ["screenings.id"], name="fk_answers_screening_screenings"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_answers_tenant_tenants"),
        sa.PrimaryKeyConstraint("number", name="pk_answers"),
        sa.UniqueConstraint("id", name="uq_answers_id"),
    )
    op.create_index("ix_answers_patient", "answers", ["tenant", "patient", "trial"])
