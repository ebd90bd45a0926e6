"""What all blueprints share: the strict parser, and errors documented as what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask_smorest import Blueprint

from fhir_trial.web.bodies import StrictParser
from fhir_trial.web.errors import FHIR_JSON
from fhir_trial.web.schemas import OperationOutcome

View = TypeVar("View", bound=Callable[..., object])

_MEANINGS = {
    400: "No JSON, or a foreign Host",
    401: "No bearer token, or one that does not prove who sends it",
    403: "No role for this, or not for this trial; the record is restricted; the service is not on loopback",
    404: "No such trial, patient, screening or address",
    409: "The server holds another version",
    413: "The request is too long",
    415: "Not application/json",
    422: "A member does not fit, or the settings forbid it",
    429: "Too many requests of one user; see Retry-After",
    500: "A defect, or a trial written wrong",
    501: "What this needs is not configured",
    502: "The FHIR server refused or was not understood",
    503: "The FHIR server, the issuer, the database or the audit log does not answer; try again",
}


class StrictBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest ships no types
    """A blueprint whose bodies are read strictly."""

    ARGUMENTS_PARSER = StrictParser()


def fails_with(blueprint: StrictBlueprint, *statuses: int) -> Callable[[View], View]:
    """Documents the errors of a view."""

    def documented(view: View) -> View:
        for status in statuses:
            view = blueprint.alt_response(
                status, schema=OperationOutcome, content_type=FHIR_JSON, description=_MEANINGS[status], success=False
            )(view)
        return view

    return documented
