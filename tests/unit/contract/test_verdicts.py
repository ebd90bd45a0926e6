"""The verdict as JSON keeps its contract: VER-10 to VER-16, and the schema that says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import fhir_trial
from fhir_trial.contract.schema import verdict_schema, verdict_schema_text
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.terminology import mappings_folder

SAMPLES = Path(__file__).parents[3] / "sample_bundles"
AS_OF = date(2026, 3, 2)
CRITERIA = (
    "C1 C2 C3 C3.1 C3.2 C3.3 C4 C5 C6 C7.1 C7.2 C7.3 C7.4 C7.5 C7.6a C7.6b C7.7 C7.8 C7.9 C7.10 C7.11 C7.12 C8.1 C8.2 C8.3 C9"
)

Json = dict[str, Any]


@pytest.fixture(scope="module")
def verdicts() -> list[Json]:
    """Of every sample patient, for both trials, with and without the site's overlay."""
    trials = [
        fhir_trial.load_trial("nct06789107"),
        fhir_trial.load_trial("nct06789107", site="bailuhe"),
        fhir_trial.load_trial("nct05471050"),
    ]
    return [verdict_json(verdict) for trial in trials for verdict in fhir_trial.screen(SAMPLES, trial, as_of=AS_OF)]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(verdict_schema())


def answers_in(verdict: Json) -> Iterator[Json]:
    waiting = list(verdict["criteria"])
    while waiting:
        answer = waiting.pop()
        waiting += answer["parts"]
        yield answer


def screened(*resources: Json, as_of: date = AS_OF, timezone: str | None = None) -> Json:
    """The verdict on one patient for the first trial."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource} for resource in resources]}
    trial = fhir_trial.load_trial("nct06789107", timezone=timezone)
    (verdict,) = fhir_trial.screen(json.dumps(bundle).encode(), trial, as_of=as_of)
    return verdict_json(verdict)


PATIENT: Json = {"resourceType": "Patient", "id": "p1", "birthDate": "1990-05-01", "gender": "female"}


def hemoglobin(value: str, unit: str, on: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "meta": {"versionId": "3"},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": on,
        "valueQuantity": {
            "value": json.loads(value, parse_float=float),
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    }


def evidence_of(verdict: Json, criterion: str) -> Json:
    (answer,) = (answer for answer in verdict["criteria"] if answer["id"] == criterion)
    (piece,) = answer["evidence"]
    return dict(piece)


class TestSchema:
    def test_schema_is_a_valid_schema_of_draft_2020_12(self) -> None:
        jsonschema.Draft202012Validator.check_schema(verdict_schema())
        assert verdict_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"

    def test_every_object_is_closed_and_every_key_required_but_a_persons_answer(self) -> None:
        objects = [verdict_schema(), *verdict_schema()["$defs"].values()]
        for shape in (shape for shape in objects if "properties" in shape):
            assert shape["additionalProperties"] is False
            assert list(shape["required"]) == [key for key in shape["properties"] if key != "person"]

    def test_every_verdict_on_the_samples_keeps_to_it(
        self, verdicts: list[Json], validator: jsonschema.Draft202012Validator
    ) -> None:
        assert len(verdicts) >= 3 * 24
        mistakes = [
            f"{verdict['patient']} {error.json_path}: {error.message}"
            for verdict in verdicts
            for error in validator.iter_errors(verdict)
        ]
        assert mistakes == []

    @pytest.mark.parametrize(
        ("where", "wrong"),
        [
            (("overall",), "eligible"),
            (("criteria", 0, "answer"), "pass"),
            (("criteria", 0, "why"), "because"),
            (("criteria", 0, "why"), "stale"),  # C1 is met: why belongs to undecided answers (VER-13)
            (("criteria", 0, "evidence", 0, "role"), "proof"),
            (("criteria", 0, "evidence", 0, "value"), 35.5),  # decimals are strings (VER-12)
            (("criteria", 0, "holds_until"), "2026-03"),
            (("as_of",), "2 March 2026"),
            (("data_cutoff",), "2026-03-02T10:00:00Z"),
            (("settings",), {"Screening Days": 28}),
            (("issues",), [{"code": "x"}]),
            (("one_more",), True),
            (("criteria",), []),
            (("blockers",), ["C1"]),  # and overall is indeterminate (VER-15)
        ],
    )
    def test_a_verdict_that_breaks_the_contract_is_refused(
        self, where: tuple[str | int, ...], wrong: object, validator: jsonschema.Draft202012Validator
    ) -> None:
        verdict = screened(PATIENT)
        assert list(validator.iter_errors(verdict)) == []
        holder: Any = verdict
        for step in where[:-1]:
            holder = holder[step]
        holder[where[-1]] = wrong

        assert list(validator.iter_errors(verdict)) != []

    def test_each_key_that_is_left_out_is_missed(self, validator: jsonschema.Draft202012Validator) -> None:
        verdict = screened(PATIENT)
        for key in verdict:
            assert list(validator.iter_errors({name: value for name, value in verdict.items() if name != key})) != []

    def test_text_and_data_are_the_same_schema(self) -> None:
        assert json.loads(verdict_schema_text()) == verdict_schema()


class TestShape:
    def test_keys_stand_in_the_order_of_the_contract(self, verdicts: list[Json]) -> None:
        """VER-10."""
        schema = verdict_schema()
        for verdict in verdicts:
            assert list(verdict) == list(schema["properties"])
            for answer in answers_in(verdict):
                assert list(answer) == list(schema["$defs"]["criterion"]["required"])
                for piece in answer["evidence"]:
                    assert list(piece) == list(schema["$defs"]["evidence"]["properties"])

    def test_criteria_of_the_first_trial_are_the_contract_s_each_once(self, verdicts: list[Json]) -> None:
        """VER-11."""
        for verdict in verdicts:
            if verdict["trial"] == "nct06789107":
                assert [criterion["id"] for criterion in verdict["criteria"]] == CRITERIA.split()

    def test_every_verdict_says_what_was_not_evaluated_and_that_nobody_reviewed_it(self, verdicts: list[Json]) -> None:
        # SEC-51
        for verdict in verdicts:
            if verdict["trial"] == "nct06789107":
                assert verdict["not_evaluated"] == ["exclusion criteria: not in the source text"]
            assert "not clinically reviewed" in verdict["notice"]

    def test_why_is_given_exactly_for_undecided_answers_with_a_next_step(self, verdicts: list[Json]) -> None:
        """VER-13; every undecided answer says what to do."""
        seen = set()
        for answer in (answer for verdict in verdicts for answer in answers_in(verdict)):
            undecided = answer["answer"] in ("unknown", "needs-clinician")
            assert (answer["why"] is not None) == undecided
            assert bool(answer["next_step"]) or not undecided
            seen.add(answer["answer"])
        assert seen == {"met", "not-met", "unknown", "needs-clinician", "not-applicable"}

    def test_missing_are_the_undecided_prescreening_criteria_that_count(self, verdicts: list[Json]) -> None:
        """VER-15."""
        not_counted = {"C3.1", "C3.2", "C3.3"}
        for verdict in verdicts:
            undecided = [
                criterion["id"]
                for criterion in verdict["criteria"]
                if criterion["stage"] == "prescreening" and criterion["why"] and criterion["id"] not in not_counted
            ]
            assert verdict["missing"] == ([] if verdict["overall"] == "not-eligible" else undecided)

    def test_data_cutoff_is_at_most_as_of(self, verdicts: list[Json]) -> None:
        """VER-12, SEC-55."""
        assert all(verdict["data_cutoff"] is None or verdict["data_cutoff"] <= verdict["as_of"] for verdict in verdicts)
        assert any(verdict["data_cutoff"] is None for verdict in verdicts)

    def test_holds_until_lies_after_as_of(self, verdicts: list[Json]) -> None:
        """VER-16."""
        ends = [answer["holds_until"] for verdict in verdicts for answer in answers_in(verdict) if answer["holds_until"]]
        assert ends
        assert all(end > AS_OF.isoformat() for end in ends)

    def test_same_input_gives_the_same_bytes(self) -> None:
        """VER-02, SEC-52."""
        trial = fhir_trial.load_trial("nct06789107")
        one, other = (
            [msgspec.json.encode(verdict_json(verdict)) for verdict in fhir_trial.screen(SAMPLES, trial, as_of=AS_OF)]
            for _ in range(2)
        )
        assert one == other


class TestValues:
    def test_decimals_are_strings_exactly_as_converted(self) -> None:
        """VER-12: 12.10 g/dL is 121 g/L, not 120.99999999999999."""
        piece = evidence_of(screened(PATIENT, hemoglobin("12.1", "g/dL", "2026-02-24")), "C7.4")

        assert piece == {
            "reference": "Observation/o1",
            "version": "3",
            "date": "2026-02-24",
            "original": "12.1 g/dL",
            "value": "121",
            "unit": "g/L",
            "limit": ">= 80 g/L",
            "role": "decides",
        }

    def test_no_number_of_a_patient_is_a_json_number(self, verdicts: list[Json]) -> None:
        def numbers(value: object) -> Iterator[object]:
            if isinstance(value, Mapping):
                for key, inner in value.items():
                    if key != "settings":
                        yield from numbers(inner)
            elif isinstance(value, list):
                for inner in value:
                    yield from numbers(inner)
            elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
                yield value

        assert [number for verdict in verdicts for number in numbers(verdict)] == []

    @pytest.mark.parametrize(
        ("recorded", "shown"),
        [
            ("2026-02", "2026-02"),
            ("2026", "2026"),
            ("2026-02-24", "2026-02-24"),
        ],
    )
    def test_dates_keep_their_precision(self, recorded: str, shown: str) -> None:
        """VER-12."""
        assert evidence_of(screened(PATIENT, hemoglobin("121", "g/L", recorded)), "C7.4")["date"] == shown

    @pytest.mark.parametrize(
        ("zone", "shown"),
        [(None, "2026-02-24"), ("Asia/Shanghai", "2026-02-25"), ("America/New_York", "2026-02-24")],
    )
    def test_date_time_is_shown_as_its_calendar_date_in_the_zone(self, zone: str | None, shown: str) -> None:
        """VER-04."""
        assert (
            evidence_of(screened(PATIENT, hemoglobin("121", "g/L", "2026-02-24T20:00:00Z"), timezone=zone), "C7.4")["date"]
            == shown
        )

    def test_patient_without_an_id_is_named_by_full_url(self) -> None:
        """VER-07."""
        name = "urn:uuid:5b8c2f3e-0000-4000-8000-000000000001"
        person = {key: value for key, value in PATIENT.items() if key != "id"}
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": name, "resource": person}]}

        (verdict,) = fhir_trial.screen(json.dumps(bundle).encode(), fhir_trial.load_trial("nct06789107"), as_of=AS_OF)

        assert verdict_json(verdict)["patient"] == name
        assert evidence_of(verdict_json(verdict), "C1")["reference"] == name


def test_mappings_name_both_trials_that_these_tests_use() -> None:
    assert {path.name for path in (mappings_folder() / "trials").iterdir()} >= {"nct06789107", "nct05471050"}
