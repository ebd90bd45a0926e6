"""The application factory."""

from __future__ import annotations

import logging
from typing import Final

from flask import Flask
from flask.helpers import get_debug_flag
from flask_smorest import Api

from fhir_trial.config import Settings, read_settings
from fhir_trial.errors import UsageError
from fhir_trial.version import __version__
from fhir_trial.web import access, errors, guards, health, screenings, trials
from fhir_trial.web.logs import configure_logs
from fhir_trial.web.schemas import OperationOutcome
from fhir_trial.web.service import Service, keep_service

_OPENAPI: Final = {
    "API_TITLE": "fhir_trial",
    "API_VERSION": __version__,
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/",
    "OPENAPI_JSON_PATH": "openapi.json",
}


class _Api(Api):  # type: ignore[misc]  # flask-smorest ships no types
    DEFAULT_ERROR_RESPONSE_NAME = None  # each view documents its own, as OperationOutcome
    ERROR_SCHEMA = OperationOutcome


def create_app(settings: Settings | None = None, service: Service | None = None) -> Flask:
    """The service as a WSGI application.

    Args:
        settings: Those of the environment unless given.
        service: What does the screening; the FHIR server of the settings unless given.

    Raises:
        UsageError: A setting is wrong, no server is set, or Flask's debug mode is on, whose pages show records (SEC-25).
    """
    if get_debug_flag():
        raise UsageError("The service does not run in Flask's debug mode: unset FLASK_DEBUG.")
    settings = settings or read_settings()
    configure_logs(settings.log_level)
    app = Flask("fhir_trial", static_folder=None)
    app.logger.setLevel(logging.CRITICAL)  # Flask would log an exception with its message, which may quote a record (SEC-27)
    app.config.update(_OPENAPI, MAX_CONTENT_LENGTH=settings.largest_body)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the contract's order (VER-10)
    keep_service(app, service or _service_of(settings))
    access.install(app)
    guards.install(app, settings.allowed_hosts)
    api = _Api(app)
    for blueprint in (screenings.blueprint, trials.blueprint, health.blueprint):
        api.register_blueprint(blueprint)
    errors.install(app)  # after Api, whose own error handler it replaces
    return app


def _service_of(settings: Settings) -> Service:
    from fhir_trial.wiring import ScreeningService

    return ScreeningService(settings)
