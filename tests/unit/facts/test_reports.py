"""ECGs and chest imaging as found on record: C7.6b, C7.11, R25, R26, R34."""

from __future__ import annotations

from datetime import date

import pytest

from fhir_trial.facts.reports import Finding, Says, find_chest_imaging, find_ecgs
from fhir_trial.terminology.phrases import phrases
from tests.unit.criteria.stories import Json, ago, case_of, lab, named, report, shipped


def imaging(*resources: Json) -> tuple[Finding, ...]:
    return find_chest_imaging(case_of(*resources).facts.record, phrases("chest-imaging"))


def ecgs(*resources: Json) -> tuple[Finding, ...]:
    return find_ecgs(case_of(*resources).facts.record, shipped(), "ecg", phrases("ecg"))


def test_imaging_is_found_in_reports_observations_and_procedures_oldest_first() -> None:
    done: Json = {
        "resourceType": "Procedure",
        "status": "completed",
        "code": {"text": "Chest X-ray"},
        "performedDateTime": ago(3),
    }
    found = imaging(
        report("Clear lungs", 1, code={"text": "CT chest"}),
        report("CXR: no change", 2, code={"text": "Imaging"}),
        report("Knee", 2, code={"text": "Imaging"}),
        named("Chest CT", {"valueString": "Normal"}, 4),
        named("Chest circumference", {"valueString": "80 cm"}, 4),
        done,
        done | {"code": {"text": "Knee X-ray"}},
        {key: value for key, value in done.items() if key != "performedDateTime"} | {"note": [{"text": "Normal"}]},
    )

    assert [(each.source, each.says, each.decisive) for each in found] == [
        ("Procedure", Says.MEASURED, False),
        ("Observation", Says.NORMAL, True),
        ("Procedure", Says.MEASURED, False),
        ("DiagnosticReport", Says.OTHER, False),
        ("DiagnosticReport", Says.OTHER, True),
    ]
    assert found[0].words == ""


def test_a_finding_is_on_file_from_its_first_possible_day() -> None:
    """R44; without a date it is on file and decides nothing."""
    [dated] = ecgs(named("ECG", {"valueString": "Normal"}, "2026-03"))
    undated_ecg = named("ECG", {"valueString": "Normal"}, 1)
    del undated_ecg["effectiveDateTime"]
    [undated] = ecgs(undated_ecg)

    assert (dated.on_file(date(2026, 3, 1)), dated.on_file(date(2026, 2, 28))) == (True, False)
    assert undated.on_file(date(1990, 1, 1))


@pytest.mark.parametrize(
    ("value", "says", "problem"),
    [
        ({"valueString": "Normal ECG"}, Says.NORMAL, None),
        ({"valueCodeableConcept": {"text": "Normal ECG"}}, Says.NORMAL, None),
        ({"valueQuantity": {"value": 440, "unit": "ms"}}, Says.MEASURED, None),
        ({"valueDateTime": "2026-01-01"}, Says.OTHER, None),
        ({"valueBoolean": True}, Says.MEASURED, "no-value"),
        ({"dataAbsentReason": {"text": "not performed"}}, Says.MEASURED, "no-value"),
    ],
)
def test_what_an_ecg_observation_says(value: dict[str, object], says: Says, problem: str | None) -> None:
    [found] = ecgs(lab("8601-7", value, None, 5))

    assert (found.says, found.problem) == (says, problem)


def test_components_of_an_ecg_are_ecgs_too_and_other_observations_are_not() -> None:
    panel = lab("34534-8", {"component": [{"code": {"coding": [{"system": "http://loinc.org", "code": "8634-8"}]},
                                           "valueQuantity": {"value": 400, "unit": "ms"}}]}, None, 5)  # fmt: skip

    found = ecgs(panel, lab("718-7", 13, "g/dL", 5))

    assert [each.says for each in found] == [Says.MEASURED, Says.MEASURED]
    assert [each.problem for each in found] == ["no-value", None]


def test_a_radiology_report_is_about_what_its_text_names_first() -> None:
    """A CT that a radiograph is compared with does not make it one (R26)."""
    found = imaging(report("CXR: normal. Compare CT chest of 2024.", code={"text": "Radiology report"}))

    assert [each.decisive for each in found] == [False]
