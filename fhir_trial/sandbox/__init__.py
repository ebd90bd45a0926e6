"""A FHIR server to try fhir_trial on: an R4 server on loopback, kept in one folder (package sekmet-fhir, extra ``sandbox``)."""

from fhir_trial.sandbox.clients import SandboxAccess, SandboxClient
from fhir_trial.sandbox.loading import LoadReport, load_samples
from fhir_trial.sandbox.process import Sandbox
from fhir_trial.sandbox.running import Wanted, reset_folder, run_sandbox, run_sandboxes

__all__ = [
    "LoadReport",
    "Sandbox",
    "SandboxAccess",
    "SandboxClient",
    "Wanted",
    "load_samples",
    "reset_folder",
    "run_sandbox",
    "run_sandboxes",
]
