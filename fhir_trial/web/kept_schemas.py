"""The shapes of what is kept: screenings, people's answers and decisions, the outbox, the switch, the audit log."""

from __future__ import annotations

import re
from typing import Final

from marshmallow import ValidationError, fields
from marshmallow.validate import And, Length, OneOf, Range, Regexp

from fhir_trial.people.statuses import REASONS, Status
from fhir_trial.trials.adjudication import Says
from fhir_trial.web.schemas import TRIAL_NAME, Strict, TrueOrFalse, Written
from fhir_trial.writeback.outbox import IntentState

#: Our own key of a patient; nothing of the hospital's (SEC-26).
PATIENT_KEY: Final = re.compile(r"pt-[0-9a-f]{16,64}\Z")
KEPT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}\Z")
#: What a person may decide: every standing but "potential", which only the machine gives and takes back (WB-01).
STATUSES: Final = tuple(status.value for status in Status if status is not Status.POTENTIAL)
REASON_CODES: Final = tuple(sorted({code for codes in REASONS.values() for code in codes}))
ANSWERS: Final = tuple(says.value for says in Says)
_LONGEST_REASON: Final = 2000


def _not_blank(text: str) -> None:
    if not text.strip():
        raise ValidationError("Expected a sentence.")


def _patient() -> fields.String:
    return fields.String(
        required=True,
        validate=Regexp(PATIENT_KEY, error="Expected our key of the patient, pt-..., not an id of the hospital's."),
        metadata={"description": "Our own key, from a screening's answer.", "example": "pt-0123456789abcdef"},
    )


def _trial() -> fields.String:
    return fields.String(required=True, validate=Regexp(TRIAL_NAME, error="Expected the id of a trial, or ID@VERSION."))


def _reason(*, required: bool = True) -> fields.String:
    return fields.String(
        required=required,
        validate=And(Length(1, _LONGEST_REASON, error=f"Expected 1 to {_LONGEST_REASON} characters."), _not_blank),
        metadata={"description": "Why, in a sentence; it is kept (SEC-51)."},
    )


class ScreeningShown(Strict):
    """A screening as it was kept."""

    id = fields.String(required=True)
    patient = _patient()
    trial = fields.String(required=True)
    version = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    verdict = fields.Dict(required=True, metadata={"description": "The object of the verdict contract (VER-10)."})


class ScreeningLine(Strict):
    """One screening of a patient's history."""

    id = fields.String(required=True)
    trial = fields.String(required=True)
    version = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    as_of = fields.String(required=True, allow_none=True)
    overall = fields.String(required=True, allow_none=True)


class ScreeningHistory(Strict):
    """Newest first; only the trials of the user."""

    patient = _patient()
    screenings = fields.List(fields.Nested(ScreeningLine), required=True)


class AnswerRequest(Strict):
    """What a person says about one criterion, with a screening before them. Who says it is known from the token."""

    screening = fields.String(
        required=True,
        validate=Regexp(KEPT_ID, error="Expected the id of a screening."),
        metadata={"description": "Id of the kept screening that they looked at: the answer rests on its evidence."},
    )
    criterion = fields.String(required=True, validate=Length(1, 64), metadata={"description": "Id of a criterion of the trial."})
    answer = fields.String(required=True, validate=OneOf(ANSWERS, error="Expected one of: {choices}."))
    reason = _reason(required=False)


class AnswersAsked(Strict):
    """Whose answers, for which trial."""

    patient = _patient()
    trial = _trial()


class AnswerShown(Strict):
    """A person's answer as it was kept."""

    id = fields.String(required=True)
    criterion = fields.String(required=True)
    answer = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    subject = fields.String(required=True, metadata={"description": "Who answered, as the issuer names them."})
    issuer = fields.String(required=True, allow_none=True)
    at = fields.AwareDateTime(required=True)


class AnswerList(Strict):
    """Every answer that was given, none left out."""

    answers = fields.List(fields.Nested(AnswerShown), required=True)


class DecisionRequest(Strict):
    """A person's decision about a patient's status in a trial."""

    patient = _patient()
    trial = _trial()
    status = fields.String(required=True, validate=OneOf(STATUSES, error="Expected one of: {choices}."))
    reason_code = fields.String(
        load_default=None,
        validate=OneOf(REASON_CODES, error="Expected one of: {choices}."),
        metadata={"description": "Needed where the status needs one: declined, screen-failure, off-study, withdrawn."},
    )
    reason = _reason()
    new_episode = TrueOrFalse(
        load_default=False,
        metadata={"type": "boolean", "description": "true: begins anew after the patient declined or failed screening."},
    )


class DecisionResponse(Strict):
    """What became of the decision on the FHIR server."""

    written = fields.List(fields.Nested(Written), required=True)


class OutboxAsked(Strict):
    """Which entries."""

    state = fields.String(load_default=None, validate=OneOf([str(state) for state in IntentState]))
    limit = fields.Integer(load_default=100, strict=False, validate=Range(1, 500, error="Expected 1 to 500."))


class OutboxLine(Strict):
    """One resource that is to be written, was, or failed; neither its content nor whose it is."""

    number = fields.Integer(required=True)
    trial = fields.String(required=True)
    kind = fields.String(required=True)
    interaction = fields.String(required=True)
    state = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    attempts = fields.Integer(required=True)
    note = fields.String(required=True, allow_none=True)


class OutboxList(Strict):
    """Newest first."""

    entries = fields.List(fields.Nested(OutboxLine), required=True)


class SwitchRequest(Strict):
    """Why writing is stopped or resumed."""

    reason = _reason()


class SwitchState(Strict):
    """Whether writing is stopped."""

    stopped = fields.Boolean(required=True)


class AuditVerified(Strict):
    """Whether the audit log is as it was written."""

    intact = fields.Boolean(required=True)
    events = fields.Integer(required=True)
    first_broken = fields.Integer(required=True, allow_none=True)


class KeysShown(Strict):
    """RFC 7517: public members only."""

    keys = fields.List(fields.Dict(), required=True)
