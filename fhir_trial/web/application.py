"""The application factory."""

from __future__ import annotations

import logging
import time
from typing import Final

from flask import Flask
from flask.helpers import get_debug_flag
from flask_smorest import Api

from fhir_trial.config import Settings, read_settings
from fhir_trial.errors import UsageError
from fhir_trial.web import (
    access,
    answers,
    audit,
    decisions,
    errors,
    guards,
    health,
    keys,
    measures,
    metrics,
    outbox,
    patients,
    screenings,
    server_check,
    signing_in,
    switch,
    trials,
)
from fhir_trial.web.limits import RateLimit
from fhir_trial.web.logs import configure_logs
from fhir_trial.web.openapi import SETTINGS, OperationNames, add_verdict
from fhir_trial.web.rules import check_rules
from fhir_trial.web.schemas import OperationOutcome
from fhir_trial.web.service import Plugged, Ports, Service, keep_service
from fhir_trial.web.tokens import TokenCheck

_BLUEPRINTS: Final = (
    screenings.blueprint,
    patients.blueprint,
    answers.blueprint,
    decisions.blueprint,
    trials.blueprint,
    server_check.blueprint,
    outbox.blueprint,
    switch.blueprint,
    audit.blueprint,
    health.blueprint,
    metrics.blueprint,
    keys.blueprint,
)


class _Api(Api):  # type: ignore[misc]  # flask-smorest ships no types
    DEFAULT_ERROR_RESPONSE_NAME = None  # each view documents its own, as OperationOutcome
    ERROR_SCHEMA = OperationOutcome


def create_app(settings: Settings | None = None, service: Service | None = None, ports: Plugged | None = None) -> Flask:
    """The service as a WSGI application.

    Args:
        settings: Those of the environment unless given.
        service: What does the screening; the FHIR server of the settings unless given.
        ports: What else there is: the store and our keys; unless given, what the service brings along as its ``ports``.

    Raises:
        UsageError: A setting is wrong, no server is set, issuers are set without an audience or a database for grants, or Flask's
            debug mode is on, whose pages show records (SEC-25).
        RouteWithoutRule: A defect: nobody said who may use a route.
    """
    if get_debug_flag():
        raise UsageError("The service does not run in Flask's debug mode: unset FLASK_DEBUG.")
    settings = settings or read_settings()
    configure_logs(settings.log_level)
    app = Flask("fhir_trial", static_folder=None)
    app.logger.setLevel(logging.CRITICAL)  # Flask would log an exception with its message, which may quote a record (SEC-27)
    app.config.update(SETTINGS, MAX_CONTENT_LENGTH=settings.largest_body)
    app.url_map.merge_slashes = False  # or it would redirect, and say the address again
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the contract's order (VER-10)
    service = service or _service_of(settings)
    ports = ports or getattr(service, "ports", None) or Ports()
    keep_service(app, service, ports)
    access.install(app)
    measures.install(app, ports)
    guards.install(app, settings.allowed_hosts, loopback_only=not settings.issuers)
    signing_in.install(app, _door(settings, ports))
    api = _Api(app, spec_kwargs={"extra_plugins": [OperationNames()]})
    add_verdict(api.spec)
    for blueprint in _BLUEPRINTS:
        api.register_blueprint(blueprint)
    check_rules(app)
    errors.install(app)  # after Api, whose own error handler it replaces
    return app


def _door(settings: Settings, ports: Plugged) -> signing_in.Door:
    """Who is let in: those whom a configured issuer names, or this machine."""
    limit = RateLimit(settings.rate_limit, time.monotonic)
    if not settings.issuers and (settings.audience is not None or settings.issuer_jwks):
        raise UsageError("FHIR_TRIAL_AUDIENCE and FHIR_TRIAL_ISSUER_JWKS need FHIR_TRIAL_ISSUERS: set it, or neither.")
    if not settings.issuers:
        return signing_in.Door(settings.tenant, None, None, limit)
    if settings.audience is None:
        raise UsageError("FHIR_TRIAL_ISSUERS needs FHIR_TRIAL_AUDIENCE: a token must be meant for this service.")
    if ports.grants is None:
        raise UsageError("FHIR_TRIAL_ISSUERS needs FHIR_TRIAL_DATABASE, where it stands who may do what.")
    strangers = sorted(set(settings.issuer_jwks) - set(settings.issuers))
    if strangers:
        raise UsageError("FHIR_TRIAL_ISSUER_JWKS names an issuer that FHIR_TRIAL_ISSUERS does not.")
    from fhir_trial.transport.issuers import IssuerKeys, now

    keys_of = {issuer: IssuerKeys(issuer, settings.issuer_jwks.get(issuer)) for issuer in settings.issuers}
    return signing_in.Door(settings.tenant, TokenCheck(keys_of, settings.audience, now), ports.grants, limit)


def _service_of(settings: Settings) -> Service:
    from fhir_trial.wiring.service import ScreeningService

    return ScreeningService(settings)
