"""A FHIR server to try fhir_trial on: an R4 server on loopback, kept in one folder (package sekmet-fhir, extra ``sandbox``)."""

from fhir_trial.sandbox.loading import LoadReport, load_samples
from fhir_trial.sandbox.process import Sandbox, run_sandbox

__all__ = ["LoadReport", "Sandbox", "load_samples", "run_sandbox"]
