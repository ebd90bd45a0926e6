"""A verdict onto a FHIR server, as far as the site allows."""

from fhir_trial.writeback.decisions import Action
from fhir_trial.writeback.ledger import Ledger, MemoryLedger
from fhir_trial.writeback.sending import Witness, WriteResult
from fhir_trial.writeback.settings import SANDBOX, Observations, WriteBack, WriteSettings
from fhir_trial.writeback.writer import Writer

__all__ = [
    "SANDBOX",
    "Action",
    "Ledger",
    "MemoryLedger",
    "Observations",
    "Witness",
    "WriteBack",
    "WriteResult",
    "WriteSettings",
    "Writer",
]
