"""The shapes of what is kept: screenings, people's answers and decisions, the outbox, the switch, the audit log."""

from __future__ import annotations

import re
from typing import Any, Final

from marshmallow import ValidationError, fields
from marshmallow.validate import Length, OneOf, Range

from fhir_trial.people.statuses import REASONS, Status
from fhir_trial.trials.adjudication import Says
from fhir_trial.verdict.model import Overall
from fhir_trial.web.schemas import (
    Matching,
    Shown,
    Strict,
    TrueOrFalse,
    WholeNumber,
    Written,
    day_field,
    trial_field,
    verdict_field,
)
from fhir_trial.writeback.outbox import IntentState

#: Our own key of a patient; nothing of the hospital's (SEC-26).
PATIENT_KEY: Final = re.compile(r"^pt-[0-9a-f]{16,64}$")
KEPT_ID: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$")
#: What a person may decide: every standing but "potential", which only the machine gives and takes back (WB-01).
STATUSES: Final = tuple(status.value for status in Status if status is not Status.POTENTIAL)
REASON_CODES: Final = tuple(sorted({code for codes in REASONS.values() for code in codes}))
ANSWERS: Final = tuple(says.value for says in Says)
_STATES: Final = tuple(str(state) for state in IntentState)
_OVERALL: Final = tuple(overall.value for overall in Overall)
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_LONGEST_REASON: Final = 2000
_LONGEST_SWITCH_REASON: Final = 1000
_MOST_EVENTS: Final = 10**15
_TOKEN: Final = re.compile(r"^st-[0-9a-f]{32}$")
_HASH: Final = re.compile(r"^[0-9a-f]{64}$")
#: Something to read, lines and tabs allowed, and no other control character.
_CONTROLS: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029"
_SENTENCE: Final = re.compile(rf"^[^{_CONTROLS}]*[^\s{_CONTROLS}][^{_CONTROLS}]*$")


def _patient() -> fields.String:
    return fields.String(
        required=True,
        validate=Matching(PATIENT_KEY, error="Expected our key of the patient, pt-..., not an id of the hospital's."),
        metadata={"description": "Our own key, from a screening's answer.", "example": "pt-0123456789abcdef"},
    )


def _reason(*, required: bool = True, longest: int = _LONGEST_REASON) -> fields.String:
    return fields.String(
        required=required,
        validate=[
            Length(1, longest, error=f"Expected 1 to {longest} characters."),
            Matching(_SENTENCE, error="Expected a sentence, without control characters."),
        ],
        metadata={"description": "Why, in a sentence; it is kept, with your name.", "example": "Seen on the paper record."},
    )


class Count(fields.Integer):
    """A number of a query, in plain digits."""

    def _validated(self, value: Any) -> int:
        if not isinstance(value, str) or _COUNT.fullmatch(value) is None:
            raise ValidationError("Expected a number.")
        return int(value)


class ScreeningShown(Shown):
    """A screening as it was kept."""

    id = fields.String(required=True)
    patient = _patient()
    trial = fields.String(required=True)
    version = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    verdict = verdict_field()


class ScreeningLine(Shown):
    """One screening of a patient's history."""

    id = fields.String(required=True)
    trial = fields.String(required=True)
    version = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    as_of = fields.String(required=True, allow_none=True)
    overall = fields.String(required=True, allow_none=True, validate=OneOf(_OVERALL))


class ScreeningHistory(Shown):
    """Newest first; only the trials of the user."""

    patient = _patient()
    screenings = fields.List(fields.Nested(ScreeningLine), required=True)


class AnswerRequest(Strict):
    """What a person says about one criterion, with a screening before them. Who says it is known from the token."""

    screening = fields.String(
        required=True,
        validate=Matching(KEPT_ID, error="Expected the id of a screening."),
        metadata={
            "description": "Id of the kept screening that they looked at: the answer rests on its evidence.",
            "example": "sc-0123456789abcdef0123456789abcdef",
        },
    )
    criterion = fields.String(
        required=True, validate=Length(1, 64), metadata={"description": "Id of a criterion of the trial.", "example": "C1"}
    )
    answer = fields.String(required=True, validate=OneOf(ANSWERS, error="Expected one of: {choices}."))
    reason = _reason(required=False)


class AnswersAsked(Strict):
    """Whose answers, for which trial."""

    patient = _patient()
    trial = trial_field()


class AnswerShown(Shown):
    """A person's answer as it was kept."""

    id = fields.String(required=True)
    criterion = fields.String(required=True)
    answer = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    subject = fields.String(required=True, metadata={"description": "Who answered, as the issuer names them."})
    issuer = fields.String(required=True, allow_none=True)
    at = fields.AwareDateTime(required=True)


class AnswerList(Shown):
    """Every answer that was given, none left out."""

    answers = fields.List(fields.Nested(AnswerShown), required=True)


class DecisionRequest(Strict):
    """A person's decision about a patient's status in a trial."""

    patient = _patient()
    trial = trial_field()
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
    shown = fields.String(
        required=True,
        validate=Matching(_TOKEN, error="Expected `shown` of the standing that was looked at, st-..."),
        metadata={"description": "From /api/patients/{key}/standing.", "example": "st-00000000000000000000000000000000"},
    )
    since = day_field("First day of the status; today by default.", "2026-03-02")


class StandingAsked(Strict):
    """For which trial."""

    trial = trial_field()


class StepShown(Shown):
    """One step of a patient's status, by whom and why."""

    status = fields.String(required=True, allow_none=True)
    episode = fields.Integer(required=True)
    reason_code = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    since = fields.Date(required=True)
    issuer = fields.String(required=True, allow_none=True)
    subject = fields.String(required=True, metadata={"description": "Who decided, as the issuer names them."})
    at = fields.AwareDateTime(required=True)
    state = fields.String(
        required=True,
        metadata={"description": "decided: not known on the FHIR server yet; written; kept: here alone; refused: void."},
    )
    note = fields.String(required=True, allow_none=True)


class StandingShown(Shown):
    """Where a patient stands on a trial, and what a person may decide now."""

    patient = _patient()
    trial = fields.String(required=True)
    status = fields.String(required=True, allow_none=True)
    episode = fields.Integer(required=True, metadata={"description": "From 1; after a refusal or a screen failure anew."})
    on_server = fields.String(
        required=True, allow_none=True, metadata={"description": "What the FHIR server's ResearchSubject says; null: none there."}
    )
    others = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "What further ResearchSubjects of the patient and study say that are not ours. Where that is "
            "something else, and more than a flag, nothing can be decided: tidy up in the EHR first."
        },
    )
    differs = fields.Boolean(
        required=True,
        metadata={"description": "true: the FHIR server says something else; first take that over, as one of ``possible``."},
    )
    lost = fields.Boolean(
        required=True,
        metadata={"description": "true: the last step was written, and the FHIR server knows it no more; it may be sent again."},
    )
    deceased = fields.Boolean(
        required=True, metadata={"description": "true: the patient's record says that they have died; nobody contacts them."}
    )
    possible = fields.List(fields.String(validate=OneOf(STATUSES)), required=True)
    may_reopen = fields.Boolean(required=True, metadata={"description": "Whether ``new_episode`` may be true."})
    shown = fields.String(required=True, metadata={"description": "Stands for all of this; a decision gives it back."})
    history = fields.List(fields.Nested(StepShown), required=True, metadata={"description": "Oldest first."})


class DecisionResponse(Shown):
    """What became of the decision on the FHIR server."""

    written = fields.List(fields.Nested(Written), required=True)


class UnsentAsked(Strict):
    """How many."""

    limit = Count(
        load_default=100,
        validate=Range(1, 500, error="Expected 1 to 500."),
        metadata={"description": "How many at most, those that wait longest first."},
    )


class UnsentLine(Shown):
    """A decision that the FHIR server does not have; neither who decided nor their words."""

    patient = _patient()
    trial = fields.String(required=True)
    status = fields.String(required=True, allow_none=True)
    since = fields.Date(required=True)
    at = fields.AwareDateTime(required=True, metadata={"description": "When it was decided."})
    state = fields.String(
        required=True, metadata={"description": "decided: not known on the FHIR server yet; kept: nothing was written there."}
    )
    note = fields.String(required=True, allow_none=True)


class UnsentList(Shown):
    """Of the user's trials, those that wait longest first."""

    decisions = fields.List(fields.Nested(UnsentLine), required=True)


class OutboxAsked(Strict):
    """Which entries."""

    state = fields.String(validate=OneOf(_STATES, error="Expected one of: {choices}."), metadata={"description": "All, without."})
    limit = Count(
        load_default=100,
        validate=Range(1, 500, error="Expected 1 to 500."),
        metadata={"description": "How many at most, the newest first."},
    )


class OutboxLine(Shown):
    """One resource that is to be written, was, or failed; neither its content nor whose it is."""

    number = fields.Integer(required=True)
    trial = fields.String(required=True)
    kind = fields.String(required=True)
    interaction = fields.String(required=True)
    state = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    attempts = fields.Integer(required=True)
    note = fields.String(required=True, allow_none=True)


class OutboxList(Shown):
    """Newest first."""

    entries = fields.List(fields.Nested(OutboxLine), required=True)


class SwitchRequest(Strict):
    """Why writing is stopped or resumed; the audit log keeps it, so it must name no patient."""

    reason = _reason(longest=_LONGEST_SWITCH_REASON)


class SwitchState(Shown):
    """Whether writing is stopped."""

    stopped = fields.Boolean(required=True)


class AuditHead(Strict):
    """An end of the audit chain, as it was exported."""

    number = WholeNumber(
        required=True,
        validate=Range(0, _MOST_EVENTS, error=f"Expected 0 to {_MOST_EVENTS}."),
        metadata={"description": "Of the last event; 0 of an empty chain.", "example": 4711},
    )
    hash = fields.String(
        required=True,
        validate=Matching(_HASH, error="Expected 64 hexadecimal digits."),
        metadata={"description": "Of the last event.", "example": "0" * 64},
    )


class AuditVerifyRequest(Strict):
    """What the audit chain is checked against."""

    head = fields.Nested(
        AuditHead,
        load_default=None,
        metadata={"description": "An earlier end of the chain, kept elsewhere: without it, a chain written anew is not found."},
    )


class AuditHeadShown(Shown):
    """The end of the audit chain, to be kept elsewhere."""

    number = fields.Integer(required=True)
    hash = fields.String(required=True)


class AuditVerified(Shown):
    """Whether the audit log is as it was written."""

    intact = fields.Boolean(required=True)
    events = fields.Integer(required=True)
    first_broken = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Number of the first event that does not fit."}
    )
    head = fields.Nested(AuditHeadShown, required=True, metadata={"description": "The last event that fits."})
    unfinished = fields.Integer(
        required=True,
        metadata={"description": "Steps that were begun and have no outcome; those under way at the moment are among them."},
    )


class KeysShown(Shown):
    """RFC 7517: public members only."""

    keys = fields.List(fields.Dict(), required=True)
