"""C7.6b: no significant ECG abnormality. R25, R30, R31, R34, R44."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.normal_report import NormalReport
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import (
    LOINC,
    Json,
    ago,
    briefly,
    case_of,
    check_turning_points,
    clinical,
    condition,
    lab,
    named,
    report,
    verified,
)

KIND = NormalReport("ecg", against=("ecg_or_heart",))
STUDY: Json = {"coding": [{"system": LOINC, "code": "11524-6"}]}
PDF = [{"contentType": "application/pdf", "data": "JVBERi0="}]


def ecg(text: str | None, days: int | str = 5, **more: Any) -> Json:
    told = report(text or "", days, code=STUDY, **more)
    if text is None:
        del told["conclusion"]
    return told


def impression(text: str, days: int | str = 5, **more: Any) -> Json:
    return lab("8601-7", {"valueString": text}, None, days, **more)


def qtc(days: int | str = 5, **more: Any) -> Json:
    return lab("8636-3", 420, "ms", days, **more)


# what the latest ECG is -> answer
STORIES: dict[str, tuple[list[Json], str]] = {
    "none": ([], "unknown not-recorded"),
    "normal today": ([ecg("Normal ECG", 0)], "met"),
    "normal, 90 days": ([ecg("Normal ECG", 90)], "met"),
    "normal, 91 days": ([ecg("Normal ECG", 91)], "needs-clinician stale"),
    "normal, 180 days": ([ecg("Normal ECG", 180)], "needs-clinician stale"),
    "normal, 181 days": ([ecg("Normal ECG", 181)], "unknown stale"),
    "tomorrow": ([ecg("Normal ECG", -1)], "unknown not-recorded"),
    "within limits": ([ecg("ECG within normal limits")], "met"),
    "rhythm only": ([ecg("Normal sinus rhythm")], "needs-clinician judgement"),
    "abnormal": ([ecg("Abnormal ECG")], "needs-clinician judgement"),
    "abnormal, 100 days": ([ecg("Abnormal ECG", 100)], "needs-clinician stale"),
    "impression": ([impression("Normal ECG")], "met"),
    "impression, one word": ([impression("Normal")], "met"),
    "impression, coded": ([lab("8601-7", {"valueCodeableConcept": {"text": "Electrocardiogram normal"}}, None, 5)], "met"),
    "by its name": ([named("ECG", {"valueString": "正常心电图"}, 5)], "met"),
    "report by name": ([report("Normal ECG", code={"text": "12-lead ECG"})], "met"),
    "another LOINC": ([report("Normal ECG", code={"coding": [{"system": LOINC, "code": "28010-7", "display": "ECG"}]})],
                      "unknown not-recorded"),
    "not an ECG": ([lab("44974-4", {"valueString": "Normal ECG"}, None, 5)], "unknown not-recorded"),
    "note": ([qtc(note=[{"text": "Normal ECG"}])], "met"),
    "interval only": ([qtc()], "needs-clinician judgement"),
    "interval of that day": ([qtc(5), ecg("Normal ECG", 5)], "met"),
    "later interval": ([qtc(4), ecg("Normal ECG", 5)], "needs-clinician judgement"),
    "interval, 100 days": ([qtc(100)], "needs-clinician stale"),
    "newer abnormal": ([ecg("Normal ECG", 6), ecg("Abnormal ECG", 5)], "needs-clinician judgement"),
    "newer normal": ([ecg("Abnormal ECG", 6), ecg("Normal ECG", 5)], "met"),
    "two of a day": ([ecg("Abnormal ECG", 5), ecg("Normal ECG", 5)], "needs-clinician conflicting"),
    "two of a day, issued": ([ecg("Abnormal ECG", 5, issued="2026-02-25T08:00:00Z"),
                              ecg("Normal ECG", 5, issued="2026-02-25T09:00:00Z")], "met"),
    "preliminary": ([ecg("Normal ECG", status="preliminary")], "unknown unusable"),
    "preliminary is newer": ([ecg("Abnormal ECG", 1, status="preliminary"), ecg("Normal ECG", 5)], "met"),
    "cancelled": ([ecg("Normal ECG", status="cancelled")], "unknown not-recorded"),
    "amended": ([ecg("Normal ECG", status="amended")], "met"),
    "silent": ([ecg(None)], "unknown unusable"),
    "undated": ([{k: v for k, v in ecg("Normal ECG").items() if k != "effectiveDateTime"}], "unknown unusable"),
    "pdf": ([ecg(None, presentedForm=PDF)], "needs-clinician unstructured"),
    "pdf, 100 days": ([ecg(None, 100, presentedForm=PDF)], "unknown stale"),
    "this year": ([ecg("Normal ECG", "2026")], "met"),
    "last year": ([ecg("Normal ECG", "2025")], "unknown unusable"),
    "last year, abnormal": ([ecg("Abnormal ECG", "2025-11")], "needs-clinician stale"),
    "two imprecise that agree": ([ecg("Normal ECG", "2026-02"), ecg("Normal ECG", 5)], "met"),
    "two imprecise that differ": ([ecg("Abnormal ECG", "2026-02"), ecg("Normal ECG", 5)], "unknown unusable"),
    "heart code": ([condition("I48.91")], "needs-clinician judgement"),
    "heart code beside normal": ([condition("R94.31"), ecg("Normal ECG")], "needs-clinician judgement"),
    "heart code over": ([condition("I48.91", **clinical("resolved")), ecg("Normal ECG")], "met"),
    # "A heart code that is not resolved": inactive and in remission are not.
    "heart code inactive": ([condition("I48.91", **clinical("inactive")), ecg("Normal ECG")], "needs-clinician judgement"),
    "heart code in remission": ([condition("I51.4", **clinical("remission")), ecg("Normal ECG")], "needs-clinician judgement"),
    "heart code ended": ([condition("I48.91", abatementDateTime=ago(3), **clinical("inactive")), ecg("Normal ECG")], "met"),
    "heart code over later": ([condition("I48.91", abatementDateTime=ago(-3), **clinical("resolved")), ecg("Normal ECG")],
                              "needs-clinician judgement"),
    "heart code refuted": ([condition("I48.91", **verified("refuted")), ecg("Normal ECG")], "met"),
    "heart code tomorrow": ([condition("I48.91", onsetDateTime=ago(-1)), ecg("Normal ECG")], "met"),
    "other code": ([condition("M32.10"), ecg("Normal ECG")], "met"),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_only_a_recent_report_that_says_normal_is_met(story: str) -> None:
    """C7.6b, R25."""
    records, expected = STORIES[story]

    answer = KIND.answer(case_of(*records))

    assert briefly(answer) == expected
    assert answer.outcome.undecided == (answer.next_step is not None)


def test_results_of_a_report_speak_through_it() -> None:
    """A panel's intervals are not a newer ECG without words; a result that says otherwise spoils the report."""
    member = qtc(4) | {"id": "qt"}
    whole = ecg("Normal ECG", 5, result=[{"reference": "Observation/qt"}])
    rhythm = impression("Atrial fibrillation", 5) | {"id": "qt"}

    assert briefly(KIND.answer(case_of(member, whole))) == "met"
    assert briefly(KIND.answer(case_of(rhythm, whole))) == "needs-clinician judgement"
    assert (
        briefly(KIND.answer(case_of(member, ecg(None, result=[{"reference": "Observation/qt"}])))) == "needs-clinician judgement"
    )


def test_a_preliminary_report_does_not_silence_its_final_results() -> None:
    member = impression("Normal ECG", 5) | {"id": "i"}
    early = ecg("", 5, status="preliminary", result=[{"reference": "Observation/i"}])

    assert briefly(KIND.answer(case_of(member, early))) == "met"


def test_the_report_is_quoted_with_its_date() -> None:
    answer = KIND.answer(case_of(ecg("Normal ECG", 91)))

    assert str(answer.reason) == "The last ECG, of 2025-12-01, is 91 days old; 90 days decide."
    assert answer.evidence[0].original == "DiagnosticReport: Normal ECG"
    assert str(KIND.answer(case_of(ecg("Normal ECG", 5))).reason) == "The ECG of 2026-02-25 is reported normal."


@pytest.mark.parametrize("resource_type", ["Observation", "DiagnosticReport", "DocumentReference", "Condition"])
def test_what_was_not_loaded_could_overturn_it(resource_type: str) -> None:
    states = {resource_type: LoadState.NOT_AUTHORISED}

    assert briefly(KIND.answer(case_of(ecg("Normal ECG"), states=states))) == "unknown not-loaded"
    assert briefly(KIND.answer(case_of(condition("I48.91"), states=states))) == "needs-clinician judgement"
    assert briefly(KIND.answer(case_of(states=states))) == "unknown not-loaded"


@pytest.mark.parametrize(
    "records",
    [
        [ecg("Normal ECG", 0)],
        [ecg("Abnormal ECG", 30), ecg("Normal ECG", -20)],
        [ecg("Normal ECG", "2026-04")],
        [ecg("Normal ECG", "2026-04"), ecg("Abnormal ECG", -40)],
        [ecg(None, 0, presentedForm=PDF)],
        [ecg("Normal ECG", 0), condition("I48.91", onsetDateTime=ago(-30), abatementDateTime=ago(-60), **clinical("resolved"))],
    ],
)
def test_every_change_of_the_answer_is_a_turning_point(records: list[Json]) -> None:
    """VER-16."""
    check_turning_points(KIND, case_of(*records), 400)


def test_bands_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="fresh_days"):
        replace(KIND, fresh_days=181)


def test_the_rule_is_told_in_words_and_says_what_it_needs() -> None:
    assert KIND.in_words() == "the latest ECG, at most 90 days old, says normal, and nothing of ecg_or_heart on record"
    assert NormalReport("ecg").in_words() == "the latest ECG, at most 90 days old, says normal"
    assert KIND.needs().resource_types == ("Condition", "DiagnosticReport", "DocumentReference", "Observation")
    assert isinstance(KIND, Kind)
