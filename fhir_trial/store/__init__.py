"""What is kept between two runs: the outbox, the kill switch, and the audit chain, in SQLite or PostgreSQL."""

from sqlalchemy import Engine

from fhir_trial.store.audit import StoreAudit
from fhir_trial.store.chain import BrokenChain, verify
from fhir_trial.store.engine import migrate, open_store
from fhir_trial.store.outbox import StoreOutbox
from fhir_trial.store.sealing import Keyring, new_key_line, read_keyring
from fhir_trial.store.switch import KillSwitch

__all__ = [
    "BrokenChain",
    "Engine",
    "Keyring",
    "KillSwitch",
    "StoreAudit",
    "StoreOutbox",
    "migrate",
    "new_key_line",
    "open_store",
    "read_keyring",
    "verify",
]
