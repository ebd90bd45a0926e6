"""A service's store for one test: settings, and a basis on which may be screened."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from fhir_trial.config import Settings
from fhir_trial.people.bases import Basis, BasisKind
from fhir_trial.sandbox import Sandbox
from fhir_trial.store import new_key_line
from fhir_trial.wiring.kept import Kept, open_kept
from fhir_trial.writeback import Observations, WriteBack

TRIAL = "nct06789107"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
TREATMENT = Basis(TRIAL, BasisKind.TREATMENT, None, date(2026, 1, 1), None)


def store_settings(fhir: Sandbox, folder: Path, **changes: Any) -> Settings:
    """Everything is written, under a tenant of the folder's name."""
    keys = folder / "keys"
    keys.touch(mode=0o600)
    keys.write_text(new_key_line("k1"))
    plain: dict[str, Any] = {
        "server": fhir.base_url,
        "tenant": folder.name,
        "write_back": WriteBack.WORK_LIST,
        "create_study": True,
        "observations": Observations.ALL,
        "database": f"sqlite:///{folder / 'store.db'}",
        "keys_file": keys,
        "log_level": "error",
    }
    return Settings(**plain | changes)


def kept(settings: Settings) -> Kept:
    """The store of the settings, open."""
    opened = open_kept(settings)
    assert opened is not None
    return opened


def with_basis(settings: Settings, basis: Basis = TREATMENT) -> Settings:
    """The same settings, on whose store somebody has recorded a basis."""
    kept(settings).bases.record(basis, by="dr-li", at=NOW)
    return settings
