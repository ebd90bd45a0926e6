"""The only room that opens a connection: one FHIR server, its answers checked, its refusals named."""

from fhir_trial.transport.bodies import Json, decode_json, encode_json
from fhir_trial.transport.capabilities import Capabilities
from fhir_trial.transport.outcomes import OutcomeIssue
from fhir_trial.transport.refusals import (
    MovedError,
    NotAuthorisedError,
    NotFoundError,
    NotSupportedError,
    RestrictedError,
)
from fhir_trial.transport.searching import Found
from fhir_trial.transport.server import FhirServer, Written
from fhir_trial.transport.settings import ServerSettings

__all__ = [
    "Capabilities",
    "FhirServer",
    "Found",
    "Json",
    "MovedError",
    "NotAuthorisedError",
    "NotFoundError",
    "NotSupportedError",
    "OutcomeIssue",
    "RestrictedError",
    "ServerSettings",
    "Written",
    "decode_json",
    "encode_json",
]
