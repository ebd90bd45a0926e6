"""The shapes of the JSON API (VER-20, VER-21); an unknown member is an error."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

from fhir_trial.writeback import Action

#: Patterns are written so that Python and ECMA-262, which OpenAPI uses, read them alike; always to be matched in full.
#: ID or ID@VERSION: nothing that could be a person's name with its spaces, or a path.
TRIAL_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")
_PATIENT: Final = re.compile(r"^Patient/(?!\.+$)[A-Za-z0-9\-.]{1,64}$")
_DAY: Final = re.compile(r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$")
_TRIAL_ID: Final = "nct06789107"
_VERDICT: Final = "#/components/schemas/Verdict"


class Matching(Regexp):
    """Matched in full: ``$`` alone would let a line end through."""

    regex: re.Pattern[str]

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, str) or self.regex.fullmatch(value) is None:
            raise ValidationError(self._format_error(value))
        return value


class Day(fields.Field[date]):
    """A calendar date with its dashes, 2026-03-02, of the years 1900 to 2199."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if isinstance(value, str) and _DAY.fullmatch(value):
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


class WholeNumber(fields.Integer):
    """A number without a fraction, however JSON writes it: 3 and 3.0, and neither "3" nor true."""

    def _validated(self, value: Any) -> int:
        is_whole = value.is_integer() if isinstance(value, float) else isinstance(value, int)
        if isinstance(value, bool) or not is_whole:
            raise ValidationError("Expected a whole number.")
        return int(value)


class Strict(Schema):
    """A schema that takes no member it does not name."""

    class Meta:
        unknown = RAISE


class Shown(Schema):
    """A schema of what we answer. It may gain members, so it is not closed; nothing is sent that it does not name."""

    class Meta:
        unknown = EXCLUDE


def day_field(description: str, example: str) -> Day:
    """A date that may be left out."""
    metadata = {"type": "string", "format": "date", "pattern": _DAY.pattern, "description": description, "example": example}
    return Day(load_default=None, metadata=metadata)


def verdict_field() -> fields.Dict:
    """The object of the verdict contract, as ``openapi.add_verdict`` describes it."""
    return fields.Dict(
        required=True,
        metadata={"allOf": [{"$ref": _VERDICT}], "description": "The object of the verdict contract."},
    )


def trial_field() -> fields.String:
    """A trial that is asked about."""
    return fields.String(
        required=True,
        validate=Matching(TRIAL_NAME, error="Expected the id of a trial, or ID@VERSION."),
        metadata={"description": "ID or ID@VERSION; without a version, the newest.", "example": _TRIAL_ID},
    )


class ScreeningRequest(Strict):
    """What is asked: one patient, one trial."""

    patient = fields.String(
        required=True,
        validate=Matching(_PATIENT, error="Expected Patient/ and an id."),
        metadata={"description": "Reference of the patient on the FHIR server.", "example": "Patient/p1"},
    )
    trial = trial_field()
    as_of = day_field("Screening date; today in the site's zone.", "2026-03-02")
    first_dose = day_field("Planned first dose; as_of.", "2026-03-20")
    write = TrueOrFalse(
        load_default=True, metadata={"type": "boolean", "description": "false: nothing is sent, what would be written is shown."}
    )


class Change(Shown):
    """One value that an update would change."""

    path = fields.String(
        required=True, metadata={"description": "As in FHIR.", "example": "ResearchSubject.progress[1].startDate"}
    )
    old = fields.Raw(required=True, allow_none=True, metadata={"description": "On the server; null: not there."})
    new = fields.Raw(required=True, allow_none=True, metadata={"description": "To be written; null: taken out."})


class Written(Shown):
    """What became, or would become, of one resource."""

    reference = fields.String(
        required=True,
        metadata={"description": "Type/id, or how it would be found.", "example": "ResearchSubject/1"},
    )
    action = fields.String(
        required=True,
        validate=OneOf([str(action) for action in Action]),
        metadata={"description": "withheld: not written, and the reason says why.", "example": "created"},
    )
    reason = fields.String(
        required=True, metadata={"description": "Why, in a sentence.", "example": "Undecided: for the work list."}
    )
    resource = fields.Dict(metadata={"description": "With write: false, the exact body that would be sent."})
    changes = fields.List(
        fields.Nested(Change),
        metadata={"description": "With write: false, each value that an update would change."},
    )


class ServerCheckRequest(Strict):
    """For which trial, and with how many patients."""

    trial = trial_field()
    patients = WholeNumber(
        load_default=3,
        validate=Range(0, 20, error="Expected 0 to 20."),
        metadata={"description": "So many are tried at most; 0 looks at the server's own account alone."},
    )


class ServerChecked(Shown):
    """What was found out about the server."""

    report = fields.Dict(required=True, metadata={"description": "Counts, codes and sentences, and nothing of a patient."})


class ScreeningResponse(Shown):
    """The verdict, and what was written."""

    verdict = verdict_field()
    written = fields.List(fields.Nested(Written), required=True)
    id = fields.String(metadata={"description": "Our own id of the screening; only where screenings are kept."})
    patient_key = fields.String(
        metadata={"description": "Our own key of the patient; only where screenings are kept.", "example": "pt-0123456789abcdef"}
    )


class TrialLine(Shown):
    """One version of a trial."""

    id = fields.String(required=True)
    version = fields.String(required=True)
    dated = fields.String(required=True, metadata={"description": "The newest is used where no version is named."})
    title = fields.String(required=True)


class TrialList(Shown):
    """Every version of every trial."""

    trials = fields.List(fields.Nested(TrialLine), required=True)


class Identifier(Shown):
    """A business identifier."""

    system = fields.String(required=True)
    value = fields.String(required=True)


class CriterionShown(Shown):
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


class NeededCode(Shown):
    """A code that answers a need."""

    system = fields.String(required=True, metadata={"example": "http://loinc.org"})
    code = fields.String(required=True, metadata={"description": "Within that system."})
    match = fields.String(validate=OneOf(["prefix"]), metadata={"description": "prefix: every code that begins so."})


class Need(Shown):
    """Resources of one type that a criterion asks for."""

    resource_type = fields.String(required=True, metadata={"description": "FHIR type.", "example": "Observation"})
    categories = fields.List(fields.String(), required=True, metadata={"description": "FHIR category codes; empty: any."})
    laboratory = fields.List(fields.String(), required=True, metadata={"description": "Analytes, by our names."})
    value_sets = fields.List(fields.String(), required=True, metadata={"description": "Value sets, by our names."})
    drug_classes = fields.List(fields.String(), required=True, metadata={"description": "Classes or ingredients, by our names."})
    codes = fields.List(fields.Nested(NeededCode), required=True, metadata={"description": "What the names stand for."})
    decides_days = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Days back from the screening date that decide; null: the whole past."},
    )
    reaches_days = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Days back that a search must reach for the same answer and reason; null: for ever."},
    )


class TrialNeeds(Shown):
    """What must be fetched of a patient (docs/needs.md)."""

    trial = fields.String(required=True, metadata={"example": _TRIAL_ID})
    version = fields.String(required=True)
    resource_types = fields.List(fields.String(), required=True, metadata={"description": "Every FHIR type needed."})
    needs = fields.List(fields.Nested(Need), required=True)


class CandidatesShown(Shown):
    """Who is worth screening: a diagnosis of one of the value sets, whatever its status."""

    value_sets = fields.List(fields.String(), required=True)
    words = fields.Boolean(required=True, metadata={"description": "Whether words alone are enough, where nothing is coded."})
    misses = fields.String(required=True, metadata={"description": "Whom this does not see."})


class TrialShown(Shown):
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
    candidates = fields.Nested(
        CandidatesShown,
        required=True,
        allow_none=True,
        metadata={"description": "Whom to look at, where a whole population is looked through; null: everybody."},
    )
    criteria = fields.List(fields.Nested(CriterionShown), required=True)
    not_evaluated = fields.List(fields.String(), required=True)
    questions = fields.List(fields.String(), required=True)
    needs = fields.Nested(TrialNeeds, required=True, metadata={"description": "What must be fetched of a patient."})


class Health(Shown):
    """Whether it lives, whether it can work."""

    status = fields.String(required=True, validate=OneOf(["alive", "ready"]))


class OutcomeDetails(Shown):
    """The sentence for people."""

    text = fields.String(
        required=True, metadata={"description": "What is wrong, and what to do.", "example": "Expected true or false."}
    )


class OutcomeIssue(Shown):
    """One thing that is wrong."""

    severity = fields.String(required=True, validate=OneOf(["error"]))
    code = fields.String(required=True, metadata={"description": "FHIR IssueType.", "example": "value"})
    details = fields.Nested(OutcomeDetails, required=True)
    diagnostics = fields.String(metadata={"description": "Where it is, in a trial's file."})
    expression = fields.List(fields.String(), metadata={"description": "The member of the request that does not fit."})


class OperationOutcome(Shown):
    """FHIR R4 OperationOutcome, as far as it is used here."""

    resourceType = fields.String(required=True, validate=OneOf(["OperationOutcome"]))  # noqa: N815  # FHIR's own spelling
    issue = fields.List(fields.Nested(OutcomeIssue), required=True, validate=Length(1))
