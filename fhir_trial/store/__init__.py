"""What is kept between two runs: screenings, what people said and decided, the outbox, the audit chain; SQLite or PostgreSQL."""

from sqlalchemy import Engine

from fhir_trial.store.answers import KeptAnswer, StoreAnswers
from fhir_trial.store.audit import StoreAudit
from fhir_trial.store.bases import KeptBasis, StoreBases
from fhir_trial.store.chain import BrokenChain, verify
from fhir_trial.store.engine import migrate, open_store
from fhir_trial.store.grants import Given, KeptGrant, StoreGrants
from fhir_trial.store.opt_outs import KeptOptOut, StoreOptOuts
from fhir_trial.store.outbox import StoreOutbox
from fhir_trial.store.rewrapping import rewrap
from fhir_trial.store.screenings import Asked, KeptScreening, StoreScreenings
from fhir_trial.store.sealing import Keyring, new_key_line, read_keyring
from fhir_trial.store.smart_clients import SmartClient, SmartClients
from fhir_trial.store.steps import Step, StepState, StoreSteps, Taken
from fhir_trial.store.switch import KillSwitch

__all__ = [
    "Asked",
    "BrokenChain",
    "Engine",
    "Given",
    "KeptAnswer",
    "KeptBasis",
    "KeptGrant",
    "KeptOptOut",
    "KeptScreening",
    "Keyring",
    "KillSwitch",
    "SmartClient",
    "SmartClients",
    "Step",
    "StepState",
    "StoreAnswers",
    "StoreAudit",
    "StoreBases",
    "StoreGrants",
    "StoreOptOuts",
    "StoreOutbox",
    "StoreScreenings",
    "StoreSteps",
    "Taken",
    "migrate",
    "new_key_line",
    "open_store",
    "read_keyring",
    "rewrap",
    "verify",
]
