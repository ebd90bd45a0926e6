"""How we are known to a server, in one sentence, without a secret or the place of one."""

from __future__ import annotations

from fhir_trial.transport import FhirServer
from fhir_trial.transport.access import BackendServices, Bearer, Open


def access_of(server: FhirServer) -> str:
    """After ``sign_in``, which has a token at hand or raises."""
    match server.settings.access:
        case Open():
            return "No token is used: none is configured for this server."
        case Bearer():
            return f"A token from a file is sent. {_granted(server)}"
        case BackendServices():
            return f"A token was granted (SMART Backend Services). {_granted(server)}"


def _granted(server: FhirServer) -> str:
    granted = server.granted_scopes
    return "The server does not say which scopes." if granted is None else f"Scopes: {' '.join(map(str, granted)) or 'none'}."
