"""One plan, printable, made from a trial and a CapabilityStatement: DATA-15, DATA-20."""

import json

import pytest

from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.sources.search_plan import plan, trial_plan
from fhir_trial.transport import Capabilities

SEARCH = frozenset({"search-type"})
NEEDS = Needs.of(Need("Observation", categories=("laboratory",)), Need("ResearchSubject"), Need("Condition"))


def server(**parameters: tuple[str, ...]) -> Capabilities:
    return Capabilities(
        "4.0.1", dict.fromkeys(parameters, SEARCH), {kind: frozenset(names) for kind, names in parameters.items()}
    )


def test_a_plan_of_a_trial_names_the_criteria_behind_each_search() -> None:
    planned = trial_plan(load_trial("nct06789107"))

    assert planned.of("Consent").needed_by == ("C9",)
    assert planned.of("MedicationRequest").needed_by == ("C4", "C6", "C7.2", "C7.3", "C7.4", "C7.5")
    assert planned.of("Observation").needed_by[:2] == ("C2", "C3.1")
    with pytest.raises(KeyError):
        planned.of("Medication")


def test_medication_orders_are_asked_for_without_a_filter_and_judged_here() -> None:
    """DATA-30."""
    (search,) = plan(Needs.of(Need("MedicationRequest"))).of("MedicationRequest").searches

    assert search.filters == ()


def test_scopes_follow_from_the_plan_and_leave_out_what_is_not_asked_for() -> None:
    """DATA-20: one plan."""
    needs = Needs.of(Need("MedicationRequest"), Need("ResearchSubject"), Need("Consent"), Need("Patient"))

    planned = plan(needs, server(MedicationRequest=("patient",), ResearchSubject=("individual",)))

    assert planned.scopes() == (
        "system/Medication.rs",
        "system/MedicationRequest.rs",
        "system/Patient.rs",
        "system/ResearchStudy.rs",
        "system/ResearchSubject.rs",
    )
    assert planned.scopes("user")[2] == "user/Patient.rs"


def test_a_plan_reads_as_text_and_as_json() -> None:
    """DATA-20."""
    capabilities = server(Observation=("patient", "category"), ResearchSubject=("individual",))

    planned = plan(NEEDS, capabilities, {"ResearchSubject": ("C9",)})

    assert str(planned).splitlines() == [
        "Condition: not asked for. The server does not offer a search of this type.",
        "Observation: by category, which large servers want; the last search is for what has another category, or none.",
        "  Observation?patient=...&category=laboratory",
        "  Observation?patient=...&category:not=laboratory (if the server knows it)",
        "ResearchSubject: the whole type, since codes are matched here. [C9]",
        "  ResearchSubject?individual=...",
    ]
    assert json.loads(json.dumps(planned.as_json()))[2] == {
        "resource_type": "ResearchSubject",
        "searches": [{"parameters": [], "optional": False}],
        "by_code": [],
        "patient_parameter": "individual",
        "why": "the whole type, since codes are matched here.",
        "needed_by": ["C9"],
        "not_asked": None,
    }


def test_a_server_that_names_no_search_by_category_is_asked_for_all_observations() -> None:
    """DATA-20."""
    (search,) = plan(NEEDS, server(Observation=("patient", "code"))).of("Observation").searches

    assert search.filters == ()


@pytest.mark.parametrize("capabilities", [Capabilities(), server(Observation=())])
def test_a_server_that_says_nothing_of_its_parameters_is_asked_by_category(capabilities: Capabilities) -> None:
    assert len(plan(NEEDS, capabilities).of("Observation").searches) == 2
