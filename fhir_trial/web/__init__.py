"""The service: a thin Flask door to screening, on loopback only. For a WSGI server: ``fhir_trial.web:create_app()``."""

from fhir_trial.web.application import create_app

__all__ = ["create_app"]
