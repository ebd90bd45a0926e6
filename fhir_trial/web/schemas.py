"""The shapes of the JSON API (VER-20, VER-21); an unknown member is an error."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields
from marshmallow.validate import OneOf, Regexp

from fhir_trial.writeback import Action

#: ID or ID@VERSION: nothing that could be a person's name with its spaces, or a path.
TRIAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9._-]{0,63})?\Z")


class Day(fields.Field[date]):
    """A calendar date with its dashes, 2026-03-02."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        raise ValidationError("Expected a date such as 2026-03-02.")


class TrueOrFalse(fields.Field[bool]):
    """JSON true or false, and no word that resembles them: it decides whether a hospital's server is written to."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise ValidationError("Expected true or false.")


class Strict(Schema):
    """A schema that takes no member it does not name."""

    class Meta:
        unknown = RAISE


class ScreeningRequest(Strict):
    """What is asked: one patient, one trial."""

    patient = fields.String(
        required=True,
        validate=Regexp(r"Patient/(?!\.+\Z)[A-Za-z0-9\-.]{1,64}\Z", error="Expected Patient/ and an id."),
        metadata={"description": "Reference of the patient on the FHIR server.", "example": "Patient/p1"},
    )
    trial = fields.String(
        required=True,
        validate=Regexp(TRIAL_NAME, error="Expected the id of a trial, or ID@VERSION."),
        metadata={"description": "Without a version, the newest.", "example": "nct06789107"},
    )
    as_of = Day(
        load_default=None,
        metadata={"type": ["string", "null"], "format": "date", "description": "Screening date; today in the site's zone."},
    )
    first_dose = Day(
        load_default=None, metadata={"type": ["string", "null"], "format": "date", "description": "Planned first dose; as_of."}
    )
    write = TrueOrFalse(
        load_default=True, metadata={"type": "boolean", "description": "false: nothing is sent, what would be written is shown."}
    )


class Written(Strict):
    """What became, or would become, of one resource."""

    reference = fields.String(
        required=True,
        metadata={"description": "Type/id, or how it would be found.", "example": "ResearchSubject/1"},
    )
    action = fields.String(required=True, validate=OneOf([str(action) for action in Action]))
    reason = fields.String(required=True)
    resource = fields.Dict(metadata={"description": "With write: false, the exact body that would be sent."})


class ScreeningResponse(Strict):
    """The verdict, and what was written."""

    verdict = fields.Dict(required=True, metadata={"description": "The object of the verdict contract (VER-10)."})
    written = fields.List(fields.Nested(Written), required=True)
    patient_key = fields.String(metadata={"description": "Our own key of the patient; only where screenings are kept."})


class TrialLine(Strict):
    """One version of a trial."""

    id = fields.String(required=True)
    version = fields.String(required=True)
    dated = fields.String(required=True, metadata={"description": "The newest is used where no version is named."})
    title = fields.String(required=True)


class TrialList(Strict):
    """Every version of every trial."""

    trials = fields.List(fields.Nested(TrialLine), required=True)


class Identifier(Strict):
    """A business identifier."""

    system = fields.String(required=True)
    value = fields.String(required=True)


class CriterionShown(Strict):
    """One sentence of the protocol, and how it is read."""

    id = fields.String(required=True)
    type = fields.String(required=True, validate=OneOf(["inclusion", "exclusion"]))
    stage = fields.String(required=True, validate=OneOf(["prescreening", "enrolment"]))
    title = fields.String(required=True)
    text = fields.String(required=True, metadata={"description": "The protocol's own words."})
    source = fields.String(required=True, metadata={"description": "Where they stand."})
    english = fields.String(required=True, metadata={"description": "The rule in plain English."})
    counts = fields.Boolean(required=True, metadata={"description": "False where another criterion counts in its place."})
    notes = fields.List(fields.String(), required=True)
    questions = fields.List(fields.String(), required=True)


class TrialShown(Strict):
    """A trial with the settings in force."""

    id = fields.String(required=True)
    version = fields.String(required=True)
    title = fields.String(required=True)
    short_title = fields.String(required=True)
    source = fields.String(required=True)
    identifiers = fields.List(fields.Nested(Identifier), required=True)
    site = fields.String(required=True, allow_none=True)
    settings = fields.Dict(required=True, metadata={"description": "Every named setting and its value."})
    digest = fields.String(required=True, metadata={"description": "SHA-256 of all that decides an answer besides the data."})
    criteria = fields.List(fields.Nested(CriterionShown), required=True)
    not_evaluated = fields.List(fields.String(), required=True)
    questions = fields.List(fields.String(), required=True)
    needs = fields.Dict(required=True, metadata={"description": "What must be fetched of a patient."})


class TrialNeeds(Strict):
    """What must be fetched of a patient (docs/needs.md)."""

    trial = fields.String(required=True)
    version = fields.String(required=True)
    resource_types = fields.List(fields.String(), required=True)
    needs = fields.List(fields.Dict(), required=True)


class Health(Strict):
    """Whether it lives, whether it can work."""

    status = fields.String(required=True)


class OutcomeDetails(Strict):
    """The sentence for people."""

    text = fields.String(required=True)


class OutcomeIssue(Strict):
    """One thing that is wrong."""

    severity = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "FHIR IssueType."})
    details = fields.Nested(OutcomeDetails, required=True)
    diagnostics = fields.String()
    expression = fields.List(fields.String(), metadata={"description": "The member of the request that does not fit."})


class OperationOutcome(Strict):
    """FHIR R4 OperationOutcome, as far as it is used here."""

    resourceType = fields.String(required=True)  # noqa: N815  # FHIR's own spelling
    issue = fields.List(fields.Nested(OutcomeIssue), required=True)
