"""Alembic's way in: the connection is handed over by ``store.engine.migrate``."""

from __future__ import annotations

from alembic import context

from fhir_trial.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
