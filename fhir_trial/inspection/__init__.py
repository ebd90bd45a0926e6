"""What a FHIR server really does with the searches of a trial, before anybody relies on it: ``fhir-trial server check``."""

from fhir_trial.inspection.check import check_server
from fhir_trial.inspection.findings import ServerReport
from fhir_trial.inspection.overlay_draft import overlay_draft
from fhir_trial.inspection.telling import report_lines

__all__ = ["ServerReport", "check_server", "overlay_draft", "report_lines"]
