"""Where patients come from: files, and a FHIR server."""

from fhir_trial.sources.files import FileSource
from fhir_trial.sources.report import ReadReport, Trouble
from fhir_trial.sources.server import ServerSource

__all__ = ["FileSource", "ReadReport", "ServerSource", "Trouble"]
