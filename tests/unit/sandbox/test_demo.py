"""The demonstration notices when something is otherwise than it should be."""

from copy import deepcopy
from typing import Any

import pytest

from fhir_trial.sandbox.demo import Findings, compare_runs

Json = dict[str, Any]


def answer(patient: str, action: str) -> Json:
    reference = f"ResearchSubject/{patient}"
    return {"verdict": {"patient": f"Patient/{patient}"}, "written": [{"reference": reference, "action": action, "reason": "x"}]}


FIRST = [answer("a", "created"), answer("b", "withheld")]
SECOND = [answer("a", "unchanged"), answer("b", "withheld")]


def compared(first: list[Json], second: list[Json]) -> Findings:
    findings = Findings()
    compare_runs(first, second, findings)
    return findings


def test_a_second_run_that_changes_nothing_is_as_expected() -> None:
    assert compared(FIRST, SECOND).all_true


@pytest.mark.parametrize("action", ["created", "updated"])
def test_a_second_run_that_writes_is_noticed(action: str) -> None:
    assert not compared(FIRST, [answer("a", action), SECOND[1]]).all_true


def test_a_second_run_whose_verdicts_change_for_many_is_noticed() -> None:
    other = deepcopy(SECOND)
    other[0]["verdict"]["overall"] = "not-eligible"

    assert not compared(FIRST, other).all_true


def test_a_second_run_that_names_another_resource_is_noticed() -> None:
    other = deepcopy(SECOND)
    other[0]["written"][0]["reference"] = "ResearchSubject/z"

    assert not compared(FIRST, other).all_true


def test_a_server_without_patients_is_noticed() -> None:
    assert not compared([], []).all_true
