"""A verdict onto a FHIR server, as far as the site allows."""

from fhir_trial.writeback.changes import Change
from fhir_trial.writeback.decisions import Action
from fhir_trial.writeback.memory_outbox import MemoryOutbox
from fhir_trial.writeback.sending import Witness, WriteResult
from fhir_trial.writeback.settings import SANDBOX, Observations, WriteBack, WriteSettings
from fhir_trial.writeback.writer import PersonsDecision, Writer

__all__ = [
    "SANDBOX",
    "Action",
    "Change",
    "MemoryOutbox",
    "Observations",
    "PersonsDecision",
    "Witness",
    "WriteBack",
    "WriteResult",
    "WriteSettings",
    "Writer",
]
