"""Why nothing at all is written for a patient: the setting, the kill switch, the release, a record out of use (WB-06, SEC-60)."""

from __future__ import annotations

from fhir_trial.transport import FhirServer, Json
from fhir_trial.writeback.codes import release_of
from fhir_trial.writeback.lookup import Lookup
from fhir_trial.writeback.sending import STOPPED
from fhir_trial.writeback.settings import WriteBack, WriteSettings


def obstacle_to_writing(
    server: FhirServer, settings: WriteSettings, lookup: Lookup, reference: str, *, stopped: bool
) -> str | None:
    """A sentence; None when the way is free. Where the setting or the switch says no, the server is not even read."""
    if settings.write_back is WriteBack.OFF:
        return "Writing back is off."
    if stopped:
        return STOPPED
    if not reference.startswith("Patient/"):
        return "The patient has no id on a server."
    if release_of(server.capabilities().fhir_version) is None:
        return "The server speaks neither FHIR R4 nor R5."
    patient = lookup.read(reference)  # WB-06
    if patient is None or f"Patient/{patient.get('id')}" != reference:
        return "The patient is not on the server under that id any more."
    if patient.get("active") is False or _is_replaced(patient):
        return "The patient's record is inactive or was replaced: nothing is written to it."
    return None


def _is_replaced(patient: Json) -> bool:
    links = patient.get("link")
    return isinstance(links, list) and any(isinstance(link, dict) and link.get("type") == "replaced-by" for link in links)
