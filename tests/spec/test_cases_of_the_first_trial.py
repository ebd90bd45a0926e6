"""The first trial's own cases: each one passes, each ruling is named, each of the sixteen cases worth testing stands there.

The meaning is in mappings/trials/nct06789107/cases.yaml, which `fhir-trial trial test` runs as well.
"""

from functools import cache

import pytest

from fhir_trial.definitions.case_files import CaseResult, run_cases
from fhir_trial.terminology import mappings_folder

TRIAL = "nct06789107"
RULINGS = [f"R{number}" for number in range(1, 45)]
CASES_WORTH_TESTING = range(1, 17)


@cache
def results() -> dict[str, CaseResult]:
    """Every case, run once; a name stands for one case only, or reading the file fails."""
    return {result.name: result for result in run_cases(TRIAL, mappings_folder())}


@pytest.mark.parametrize("name", results())
def test_the_case_comes_out_as_the_texts_say(name: str) -> None:
    result = results()[name]

    assert result.passed, "\n".join([result.place, *result.differences])


@pytest.mark.parametrize("ruling", RULINGS)
def test_each_ruling_is_named_by_a_case(ruling: str) -> None:
    assert any(ruling in result.rulings for result in results().values())


def test_no_case_names_a_ruling_that_does_not_exist() -> None:
    named = {ruling for result in results().values() for ruling in result.rulings}

    assert named <= set(RULINGS)


@pytest.mark.parametrize("number", CASES_WORTH_TESTING)
def test_each_of_the_sixteen_cases_worth_testing_stands_in_the_file(number: int) -> None:
    assert any(name.startswith(f"Case {number}: ") for name in results())
