"""C6, stable background treatment: the table of criteria.md and every ruling on it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fhir_trial.criteria.answers import Answer, Outcome
from fhir_trial.criteria.background import BackgroundClass
from fhir_trial.criteria.stable_treatment import StableTreatment
from fhir_trial.records.model import LoadState
from tests.unit.medication_records import Json, case_of, days, dosage, medication

C6 = StableTreatment(
    (
        BackgroundClass("C6.1", "oral_corticosteroid", "oral corticosteroid", 7, "first-dose", in_equivalents=True, pulses=True),
        BackgroundClass("C6.2", "antimalarial", "antimalarial", 7, "first-dose"),
        BackgroundClass(
            "C6.3",
            "conventional_immunosuppressant",
            "immunosuppressant",
            28,
            "screening",
            by_weight_in_children=("methotrexate",),
        ),
    )
)
HCQ = medication("order", "hcq 200", "2025-06-01", "400 mg")
MMF = medication("order", "mmf 500", "2025-06-01", "1000 mg", "2/1d")
ALL_FETCHED = dict.fromkeys(
    ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"), LoadState.FETCHED
)


def answer(*resources: Json, **more: Any) -> Answer:
    return C6.answer(case_of(*resources, **more))


def said(found: Answer) -> str:
    return f"{found.outcome} {found.why}" if found.why else str(found.outcome)


def order(drug: str, start: str | None, dose: str | None = "10 mg", often: str | None = "1/1d", **more: Any) -> Json:
    return medication("order", drug, start, dose, often, **more)


def prednisone(*spells: tuple[str, str | None, str]) -> list[Json]:
    """Orders one after the other: (start, end, mg a day); the one without an end is active."""
    return [
        order("prednisone 5", start, f"{mg} mg", end=end, status="completed" if end and end < "2026-03-02" else "active")
        for start, end, mg in spells
    ]


# --- the windows: both edges (R11) ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drug", "day", "expected"),
    [
        ("prednisone 5", "2026-02-22", "met"),
        ("prednisone 5", "2026-02-23", "met"),  # D-7: leaves seven full days
        ("prednisone 5", "2026-02-24", "not-met"),
        ("prednisone 5", "2026-03-02", "not-met"),
        ("hcq 200", "2026-02-23", "met"),
        ("hcq 200", "2026-02-24", "not-met"),
        ("azathioprine 50", "2026-02-01", "met"),
        ("azathioprine 50", "2026-02-02", "met"),  # S-28
        ("azathioprine 50", "2026-02-03", "not-met"),
    ],
)
def test_a_change_or_start_on_the_first_day_of_the_window_is_stable_and_one_inside_is_not(
    drug: str, day: str, expected: str
) -> None:
    """R11, R38: the only drug changed inside its window is not-met."""
    started = answer(order(drug, day, "50 mg"))
    changed = answer(order(drug, "2025-06-01", "100 mg", end=day, status="completed"), order(drug, day, "50 mg"))

    assert said(started) == expected
    assert said(changed) == expected


@pytest.mark.parametrize(
    ("first_dose", "day", "expected"),
    [
        (date(2026, 3, 20), "2026-03-02", "met"),
        (date(2026, 3, 9), "2026-03-02", "met"),
        (date(2026, 3, 8), "2026-03-02", "not-met"),
    ],
)
def test_the_steroid_window_ends_at_the_first_dose(first_dose: date, day: str, expected: str) -> None:
    assert said(answer(order("prednisone 5", day), first_dose=first_dose)) == expected


@pytest.mark.parametrize("first_dose", [date(2026, 3, 2), date(2026, 3, 30)])
def test_the_four_week_window_ends_at_screening_also_when_the_first_dose_is_later(first_dose: date) -> None:
    assert said(answer(order("mmf 500", "2026-02-03", "1000 mg"), first_dose=first_dose)) == "not-met"
    assert said(answer(order("mmf 500", "2026-02-02", "1000 mg"), first_dose=first_dose)) == "met"


@pytest.mark.parametrize(("end", "expected"), [("2026-02-22", "met"), ("2026-02-23", "met"), ("2026-02-24", "not-met")])
def test_a_second_strength_that_stops_changes_the_sum_on_its_last_day(end: str, expected: str) -> None:
    """5 mg + 2.5 mg tablets are one dose; the stop of one is a change of it (R11)."""
    found = answer(
        order("prednisone 5", "2025-06-01", "5 mg"), order("prednisone 2.5", "2025-06-01", "2.5 mg", end=end, status="completed")
    )

    assert said(found) == expected


def test_a_taper_step_inside_the_window_is_a_change() -> None:
    steps = [
        dosage("20 mg")
        | {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": a, "end": b}}}}
        for a, b in (("2026-01-01", "2026-02-25"), ("2026-02-26", "2026-06-01"))
    ]
    steps[1]["doseAndRate"] = [{"doseQuantity": {"value": 15, "unit": "mg"}}]

    found = answer(order("prednisone 5", "2026-01-01", dosages=steps))

    assert said(found) == "not-met"
    assert "changed on 2026-02-26" in str(found.reason)
    assert said(answer(order("prednisone 5", "2026-01-01", dosages=steps), as_of=date(2026, 3, 5))) == "met"
    assert said(answer(order("prednisone 5", "2026-01-01", dosages=steps), as_of=date(2026, 2, 20))) == "met"
    # A planned step before the first dose is a change, though it lies ahead.
    assert (
        said(answer(order("prednisone 5", "2026-01-01", dosages=steps), as_of=date(2026, 2, 20), first_dose=date(2026, 2, 28)))
        == "not-met"
    )


def test_a_planned_end_before_the_first_dose_is_a_change() -> None:
    for end in ("2026-03-10", "2026-03-19"):
        found = answer(order("hcq 200", "2025-01-01", end=end), first_dose=date(2026, 3, 20))

        assert said(found) == "not-met"
    assert said(answer(order("hcq 200", "2025-01-01", end="2026-03-20"), first_dose=date(2026, 3, 20))) == "met"


# --- what is a dose -------------------------------------------------------------------------------------------------


def test_case_8_a_switch_of_molecule_at_the_same_equivalent_is_stable() -> None:
    """Prednisone 10 mg -> methylprednisolone 8 mg at day -3 (R42)."""
    before = order("prednisone 5", "2025-06-01", "10 mg", status="stopped")
    found = answer(before, order("methylprednisolone 4", "2026-02-27", "8 mg"))
    other = answer(before, order("methylprednisolone 4", "2026-02-27", "12 mg"))

    assert said(found) == "met"
    assert "prednisone equivalent 10 mg a day" in str(found.reason)
    assert said(other) == "not-met"


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (("prednisone 5", "2026-02-25", "10 mg"), "met"),  # same product and dose: a renewal
        (("prednisone 2.5", "2026-02-25", "10 mg"), "not-met"),  # another strength: a sum, begun inside the window
        (("prednisone 2.5", "2026-02-01", "10 mg"), "met"),
        (("prednisone 5", "2026-02-25", "5 mg"), "not-met"),
    ],
)
def test_overlapping_orders_are_a_renewal_or_a_sum(second: tuple[str, str, str], expected: str) -> None:
    assert said(answer(order("prednisone 5", "2025-06-01", "10 mg"), order(*second))) == expected


def test_orders_of_different_strengths_are_summed_and_renewals_are_not() -> None:
    summed = answer(order("prednisone 5", "2025-06-01", "5 mg"), order("prednisone 2.5", "2025-06-01", "2.5 mg"))
    renewed = answer(order("prednisone 5", "2025-06-01", "5 mg"), order("prednisone 5", "2025-12-01", "5 mg"))
    unlabelled = answer(order("prednisone 5", "2025-06-01", "5 mg"), order("prednisone", "2025-12-01", "5 mg"))

    assert "prednisone equivalent 7.5 mg a day" in str(summed.reason)
    assert "prednisone equivalent 5 mg a day" in str(renewed.reason)
    assert "prednisone equivalent 5 mg a day" in str(unlabelled.reason)


def test_several_molecules_make_one_dose() -> None:
    """scores.md section 4: prednisone 7.5 mg + methylprednisolone 2 mg = 10."""
    found = answer(order("prednisone 2.5", "2025-06-01", "7.5 mg"), order("methylprednisolone 4", "2025-06-01", "2 mg"))

    assert said(found) == "met"
    assert "prednisone equivalent 10 mg a day" in str(found.reason)


def test_an_equivalent_that_is_a_range_leaves_a_switch_open_and_an_unchanged_dose_stable() -> None:
    """R42: betamethasone 0.6 to 0.75 mg is 5 mg of prednisone."""
    alone = answer(order("betamethasone", "2025-06-01", "0.6 mg"))
    switched = answer(
        order("prednisone 5", "2025-06-01", "5 mg", end="2026-02-25", status="completed"),
        order("betamethasone", "2026-02-26", "0.6 mg"),
    )
    far = answer(
        order("prednisone 5", "2025-06-01", "5 mg", end="2026-02-25", status="completed"),
        order("betamethasone", "2026-02-26", "3 mg"),
    )

    assert said(alone) == "met"
    assert "prednisone equivalent 4 to 5 mg a day" in str(alone.reason)
    assert said(switched) == "unknown unusable"
    assert said(far) == "not-met"


@pytest.mark.parametrize(
    ("instructions", "why"),
    [
        ([{"text": "as directed"}], "unstructured"),
        ([dosage("10 mg", asNeededBoolean=True)], "unstructured"),
        ([dosage("10 mg", None, text="daily")], "unstructured"),
        ([dosage("10 mg", None)], "unusable"),
        ([dosage(None)], "unusable"),
        ([], "unusable"),
        ([dosage("5-10 mg")], "unusable"),
        ([dosage("1 drop")], "unusable"),
    ],
)
def test_an_unreadable_dose_is_unknown_alone_and_asks_a_clinician_beside_one_that_qualifies(
    instructions: list[Json], why: str
) -> None:
    """C6 "unknown"; R13."""
    unreadable = order("prednisone 5", "2025-06-01", dosages=instructions)

    assert said(answer(unreadable)) == f"unknown {why}"
    assert said(answer(unreadable, HCQ)) == f"needs-clinician {why}"


def test_tablets_count_through_the_strength_of_the_product() -> None:
    found = answer(order("prednisone 5", "2025-06-01", "2 tablet"))

    assert "prednisone equivalent 10 mg a day" in str(found.reason)
    assert said(answer(order("betamethasone", "2025-06-01", "2 tablet"))) == "unknown unusable"


def test_meprednisone_has_no_sourced_equivalent() -> None:
    assert said(answer(order("meprednisone", "2025-06-01"))) == "unknown unusable"


def test_a_drug_started_inside_its_window_is_changed_whether_its_dose_can_be_read_or_not() -> None:
    unreadable = order("prednisone 5", "2026-02-26", dosages=[{"text": "as directed"}])

    assert said(answer(unreadable)) == "not-met"
    assert said(answer(order("tacrolimus 1", "2026-02-26", "2 mg"))) == "not-met"  # level-guided or not
    assert said(answer(order("prednisone 5", "2025-01-01"), order("methylprednisolone 4", "2026-02-26", dosages=[]))) == "not-met"


# --- judgement ------------------------------------------------------------------------------------------------------


def changed(drug: str, before: str, after: str) -> list[Json]:
    return [order(drug, "2025-06-01", before, end="2026-02-24", status="completed"), order(drug, "2026-02-25", after)]


def test_r14_a_level_guided_dose_that_changed_asks_a_clinician_also_as_the_only_drug() -> None:
    found = answer(*changed("tacrolimus 1", "2 mg", "3 mg"))

    assert said(found) == "needs-clinician judgement"
    assert "blood levels" in str(found.reason)
    assert said(answer(*changed("tacrolimus 1", "2 mg", "3 mg"), HCQ)) == "needs-clinician judgement"


@pytest.mark.parametrize(
    ("birth", "expected"), [("2008-03-03", "needs-clinician judgement"), ("2008-03-02", "not-met"), (None, "not-met")]
)
def test_methotrexate_by_weight_in_a_growing_child_asks_a_clinician(birth: str | None, expected: str) -> None:
    assert said(answer(*changed("methotrexate 2.5", "10 mg", "12.5 mg"), birth=birth)) == expected


def test_a_switch_of_form_or_ingredient_asks_a_clinician() -> None:
    found = answer(*changed("mmf 500", "1000 mg", "1000 mg")[:1], order("mmf 250", "2026-02-25", "1000 mg"))

    assert said(found) == "needs-clinician judgement"


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("2026-02-25", "met"),
        ("2026-02-22", "met"),  # three days without: a renewal
        ("2026-02-21", "needs-clinician judgement"),
        ("2025-11-28", "needs-clinician judgement"),
        ("2025-11-26", "not-met"),  # more than 90 days without: a new start
    ],
)
def test_a_gap_of_three_days_between_two_orders_is_a_renewal_and_a_longer_one_asks(end: str, expected: str) -> None:
    found = answer(order("hcq 200", "2025-06-01", end=end, status="completed"), order("hcq 200", "2026-02-26"))

    assert said(found) == expected


def test_a_gap_that_was_over_before_the_window_does_not_matter() -> None:
    assert (
        said(answer(order("hcq 200", "2025-06-01", end="2026-02-10", status="completed"), order("hcq 200", "2026-02-23")))
        == "met"
    )


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (order("hcq 200", "2025-06-01", end="2026-02-20"), "needs-clinician conflicting"),  # active, its end has passed
        (order("hcq 200", "2025-06-01", dispenseRequest={"validityPeriod": {"end": "2025-12-02"}}), "met"),  # 90 days before S
        (order("hcq 200", "2025-06-01", dispenseRequest={"validityPeriod": {"end": "2025-12-01"}}), "needs-clinician judgement"),
        (order("hcq 200", "2025-11-03", dispenseRequest={"expectedSupplyDuration": days(30)}), "met"),
        (order("hcq 200", "2025-11-02", dispenseRequest={"expectedSupplyDuration": days(30)}), "needs-clinician judgement"),
        (
            order("hcq 200", "2025-09-03", dispenseRequest={"expectedSupplyDuration": days(30), "numberOfRepeatsAllowed": 3}),
            "met",
        ),
    ],
)
def test_an_active_order_whose_end_or_last_supply_is_long_past_is_doubtful(resource: Json, expected: str) -> None:
    assert said(answer(resource)) == expected


def test_a_dispense_keeps_an_order_alive_and_an_old_one_makes_it_doubtful() -> None:
    # DATA-31, DATA-35
    ordered = order("hcq 200", "2025-01-01")
    linked: Json = {"authorizingPrescription": [{"reference": f"MedicationRequest/{ordered['id']}"}]}

    plain: Json = {}
    for more in (plain, linked):
        old = medication("supply", "hcq 200", "2025-10-01", None, None, daysSupply=days(30), **more)
        fresh = medication("supply", "hcq 200", "2026-02-01", None, None, daysSupply=days(30), **more)
        assert said(answer(ordered, old)) == "needs-clinician judgement"
        assert said(answer(ordered, old, fresh)) == "met"
    assert (
        said(answer(ordered, medication("supply", "hcq 200", "2024-05-01", None, None, daysSupply=days(30)))) == "met"
    )  # of an earlier order


def test_a_report_of_later_that_denies_the_use_contradicts_the_order() -> None:
    ordered = order("hcq 200", "2025-01-01", "400 mg")

    assert (
        said(answer(ordered, medication("report", "hcq 200", "2026-02-01", None, None, status="not-taken")))
        == "needs-clinician conflicting"
    )
    assert (
        said(answer(ordered, medication("report", "hcq 200", "2025-01-01", None, None, end="2026-02-01", status="stopped")))
        == "needs-clinician conflicting"
    )
    assert (
        said(answer(ordered, medication("report", "hcq 200", "2024-01-01", "200 mg", end="2025-03-01", status="completed")))
        == "met"
    )


def test_a_report_that_gives_another_dose_than_the_order_contradicts_it() -> None:
    ordered = order("hcq 200", "2025-01-01", "400 mg")

    assert said(answer(ordered, medication("report", "hcq 200", "2025-01-01", "400 mg"))) == "met"
    assert said(answer(ordered, medication("report", "hcq 200", "2025-01-01", "200 mg"))) == "unknown conflicting"
    assert (
        said(answer(order("hcq 200", "2025-01-01", dosages=[]), medication("report", "hcq 200", "2025-01-01", "200 mg"))) == "met"
    )


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-02-23", "met"),
        ("2026-02-24", "needs-clinician judgement"),
        ("2026-03-02", "needs-clinician judgement"),
        ("2026-03-03", "met"),
    ],
)
@pytest.mark.parametrize("kind", ["given", "order", "supply"])
def test_a_parenteral_steroid_pulse_inside_the_window_asks_beside_any_qualifying_drug(kind: str, day: str, expected: str) -> None:
    pulse = medication(kind, "methylprednisolone iv", day, "1000 mg", None)

    assert said(answer(HCQ, pulse)) == expected
    assert said(answer(MMF, pulse)) == expected
    assert answer(pulse).outcome is Outcome.UNKNOWN  # no background drug


def test_a_pulse_that_lasts_into_the_window_counts_and_one_that_was_not_done_does_not() -> None:
    lasting = order("methylprednisolone iv", "2026-02-20", "1000 mg", end="2026-02-24", status="completed")

    assert said(answer(HCQ, lasting)) == "needs-clinician judgement"
    assert said(answer(HCQ, medication("given", "methylprednisolone iv", "2026-02-27", status="not-done"))) == "met"
    assert said(answer(HCQ, medication("given", "methylprednisolone iv", "2026-02-27", status="unknown"))) == "met"


def test_single_doses_given_inside_the_window_ask_whether_it_is_current() -> None:
    """IV cyclophosphamide in MedicationAdministration: no order, no report."""
    assert said(answer(medication("given", "cyc iv", "2026-02-10", "500 mg", None))) == "needs-clinician judgement"
    assert said(answer(medication("given", "cyc iv", "2026-02-02", "500 mg", None))) == "unknown not-recorded"


def test_a_drug_of_doubtful_class_alone_asks_and_beside_another_matters_only_if_it_changed() -> None:
    """everolimus: counts_as_class "review"."""
    stable = order("everolimus", "2025-06-01", "1 mg")

    assert said(answer(stable)) == "needs-clinician judgement"
    assert said(answer(stable, HCQ)) == "met"
    assert said(answer(order("everolimus", "2026-02-20", "1 mg"), HCQ)) == "needs-clinician judgement"


# --- several drugs --------------------------------------------------------------------------------------------------


def test_one_qualifies_and_another_changed_asks_a_clinician() -> None:
    found = answer(HCQ, order("prednisone 5", "2026-02-26"))

    assert said(found) == "needs-clinician judgement"
    assert [(part, said(one)) for part, one in found.parts] == [
        ("C6.1", "not-met"),
        ("C6.2", "met"),
        ("C6.3", "unknown not-recorded"),
    ]
    assert found.next_step is not None


def test_all_changed_is_not_met_and_one_unreadable_beside_a_changed_one_leaves_it_open() -> None:
    both = answer(order("hcq 200", "2026-02-26"), order("prednisone 5", "2026-02-26"))
    open_ = answer(order("hcq 200", "2026-02-26"), order("prednisone 5", "2025-02-26", dosages=[]))

    assert said(both) == "not-met"
    assert said(open_) == "unknown unusable"


def test_a_stop_leaves_no_current_drug_and_r12_decides() -> None:
    stopped = order("hcq 200", "2025-06-01", end="2026-02-27", status="stopped")

    assert said(answer(stopped)) == "unknown not-recorded"
    assert said(answer(stopped, states=ALL_FETCHED)) == "not-met"
    assert said(answer(stopped, complete=True)) == "not-met"
    assert said(answer(stopped, MMF)) == "met"


# --- current or not -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "current"),
    [
        (order("hcq 200", "2025-06-01", status="on-hold"), False),
        (order("hcq 200", "2025-06-01", status="cancelled"), False),
        (order("hcq 200", "2025-06-01", status="draft"), False),
        (order("hcq 200", "2025-06-01", status="entered-in-error"), False),
        (order("hcq 200", "2025-06-01", status="stopped"), False),
        (order("hcq 200", "2025-06-01", intent="proposal"), False),
        (order("hcq 200", "2025-06-01", intent="option"), False),
        (order("hcq 200", "2025-06-01", intent="plan"), True),
        (order("hcq 200", "2025-06-01", intent="instance-order"), True),
        (order("hcq 200", "2025-06-01", intent="filler-order"), True),
        (order("hcq 200", "2025-06-01", intent="original-order"), True),
        (order("hcq 200", "2025-06-01", intent="reflex-order"), True),
        (order("hcq 200", "2025-06-01", doNotPerform=True), False),
        (order("hcq 200", "2026-03-03"), False),  # dated after as_of (R44)
        (medication("report", "hcq 200", "2025-06-01"), True),
        (medication("report", "hcq 200", "2025-06-01", status="intended"), False),
        (medication("report", "hcq 200", "2025-06-01", status="not-taken"), False),
        (medication("report", "hcq 200", "2025-06-01", status="on-hold"), False),
        (medication("report", "hcq 200", "2025-06-01", end="2026-03-02"), True),
        (medication("report", "hcq 200", "2025-06-01", end="2026-03-02", status="completed"), False),
        (medication("report", "hcq 200", "2025-06-01", status="completed"), False),
        (medication("supply", "hcq 200", "2026-02-01", daysSupply=days(30)), True),
        (medication("supply", "hcq 200", "2026-01-31", daysSupply=days(30)), False),
        (order("hcq 200", "2026-01-02", status="completed", dispenseRequest={"expectedSupplyDuration": days(60)}), True),
        (order("hcq 200", "2026-01-01", status="completed", dispenseRequest={"expectedSupplyDuration": days(60)}), False),
        (order("tacrolimus ointment", "2025-06-01"), False),
        (order("rituximab", "2025-06-01"), False),
        (order("tofacitinib", "2025-06-01"), False),
        (order("amoxicillin", "2025-06-01"), False),
    ],
)
def test_what_is_current(resource: Json, current: bool) -> None:
    assert said(answer(resource)) == ("met" if current else "unknown not-recorded")


def test_a_status_that_is_unknown_or_a_start_that_is_missing_leaves_it_open() -> None:
    unclear = order("hcq 200", "2025-06-01", status="unknown")

    assert said(answer(unclear)) == "unknown unusable"
    assert said(answer(unclear, HCQ)) == "unknown unusable"
    assert said(answer(unclear, MMF)) == "needs-clinician unusable"
    assert said(answer(order("hcq 200", None))) == "unknown unusable"
    assert said(answer(order("hcq 200", None, "400 mg"), HCQ)) == "met"
    assert said(answer(order("hcq 200", None, "200 mg"), HCQ)) == "unknown unusable"
    over = medication("report", "hcq 200", "2025-06-01", end="2026-01-01", status="unknown")
    assert said(answer(over)) == "unknown not-recorded"


def test_a_supply_that_does_not_say_how_long_it_lasts_leaves_it_open_for_90_days() -> None:
    assert said(answer(medication("supply", "hcq 200", "2025-12-02"))) == "unknown unusable"
    assert said(answer(medication("supply", "hcq 200", "2025-12-01"))) == "unknown not-recorded"


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2025", "met"),
        ("2026-01", "met"),
        ("2026-02", "unknown unusable"),  # it may be any day of February: the window begins on the 24th (R30)
        ("2026-03", "not-met"),
    ],
)
def test_a_partial_start_decides_only_where_all_its_days_agree(start: str, expected: str) -> None:
    assert said(answer(medication("report", "hcq 200", start))) == expected


def test_an_order_that_ended_without_a_date_ended_when_the_next_began() -> None:
    before = order("prednisone 5", "2025-06-01", "20 mg", status="stopped")

    assert said(answer(before, order("prednisone 5", "2026-02-23", "10 mg"))) == "met"
    assert said(answer(before, order("prednisone 5", "2026-02-24", "10 mg"))) == "not-met"


def test_an_order_that_ended_nobody_knows_when_beside_a_current_one_leaves_it_open_unless_its_record_is_older() -> None:
    ended = order("prednisone 2.5", "2025-12-01", "2.5 mg", status="stopped")
    older = ended | {"meta": {"lastUpdated": "2026-01-05T10:00:00Z"}}

    assert said(answer(order("prednisone 5", "2025-06-01", "5 mg"), ended)) == "unknown unusable"
    assert said(answer(order("prednisone 5", "2025-06-01", "5 mg"), older)) == "met"


def test_a_stopped_order_ended_before_the_end_that_was_planned() -> None:
    # DATA-35
    stopped = order("hcq 200", "2025-06-01", end="2026-12-31", status="stopped")

    assert said(answer(stopped)) == "unknown not-recorded"
    assert said(answer(stopped, order("hcq 200", "2026-02-10"))) == "met"


# --- not recognised (DATA-33, R13, R38) -----------------------------------------------------------------------------

UNRESOLVED: Json = {"medicationReference": {"display": "prednisone 5 mg tablet"}}


@pytest.mark.parametrize(
    ("drug", "possible"),
    [
        (UNRESOLVED, True),  # display only
        ({}, True),
        ({"medicationCodeableConcept": {"text": "home medicine"}}, True),  # uncoded
        (
            {"medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1"}]}},
            True,
        ),
        ({"medicationCodeableConcept": {"coding": [{"system": "urn:x", "code": "A1", "display": "unknown drug"}]}}, True),
        ({"medicationCodeableConcept": {"coding": [{"system": "urn:x", "code": "A1", "display": "Calcium carbonate"}]}}, False),
        ({"medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "C09AA02"}]}}, False),
    ],
)
def test_a_drug_that_could_be_any_is_unknown_alone_and_asks_beside_one_that_qualifies(drug: Json, possible: bool) -> None:
    unidentified = medication("order", drug, "2025-06-01")

    assert said(answer(unidentified)) == ("unknown unusable" if possible else "unknown not-recorded")
    assert said(answer(unidentified, HCQ)) == ("needs-clinician unusable" if possible else "met")
    assert said(answer(unidentified, order("hcq 200", "2026-02-26"))) == ("unknown unusable" if possible else "not-met")
    assert said(answer(unidentified, states=ALL_FETCHED)) == ("unknown unusable" if possible else "not-met")


@pytest.mark.parametrize(
    ("resource", "matters"),
    [
        (medication("order", UNRESOLVED, "2025-06-01", status="stopped"), False),
        (medication("order", UNRESOLVED, "2026-03-03"), False),
        (medication("order", UNRESOLVED, "2025-06-01", status="unknown"), True),
        (medication("order", UNRESOLVED, "2025-06-01", status="on-hold"), False),
        (medication("report", UNRESOLVED, "2025-06-01", end="2026-03-02", status="completed"), True),
        (medication("report", UNRESOLVED, "2025-06-01", end="2026-03-01", status="completed"), False),
        (medication("supply", UNRESOLVED, "2026-02-01", daysSupply=days(30)), True),
        (medication("supply", UNRESOLVED, "2026-01-31", daysSupply=days(30)), False),
        (medication("given", UNRESOLVED, "2025-12-02"), True),
        (medication("given", UNRESOLVED, "2025-12-01"), False),
    ],
)
def test_a_drug_that_cannot_be_told_matters_only_while_it_may_be_in_use(resource: Json, matters: bool) -> None:
    assert said(answer(resource, HCQ)) == ("needs-clinician unusable" if matters else "met")


def test_a_modifier_that_is_not_known_makes_a_drug_unresolved() -> None:
    modified = order("mmf 500", "2025-06-01", modifierExtension=[{"url": "urn:example:not-known", "valueBoolean": True}])

    assert said(answer(modified)) == "unknown unusable"
    assert said(answer(modified, HCQ)) == "needs-clinician unusable"


def test_a_hundred_orders_of_amoxicillin_ask_nothing() -> None:
    antibiotics = [order("amoxicillin", "2025-06-01", dosages=[]) for _ in range(100)]

    assert said(answer(HCQ, *antibiotics)) == "met"


@pytest.mark.parametrize("drug", ["prednisone", "tacrolimus"])
def test_an_ingredient_without_route_or_form_is_unknown_where_the_route_is_needed(drug: str) -> None:
    """R38; a route, or a record of the same drug that has one, settles it."""
    bare = order(drug, "2025-06-01", "5 mg")
    routed = order(drug, "2025-06-01", dosages=[dosage("5 mg", route={"text": "oral"})])

    assert said(answer(bare)) == "unknown unusable"
    assert said(answer(bare, HCQ)) == "needs-clinician unusable"
    assert said(answer(routed)) == "met"
    assert said(answer(bare, routed)) == "met"


@pytest.mark.parametrize("route", ["nasogastric", "gastrostomy", "by mouth"])
def test_r41_a_tube_is_oral_for_every_steroid(route: str) -> None:
    assert said(answer(order("prednisone", "2025-06-01", dosages=[dosage("5 mg", route={"text": route})]))) == "met"


# --- nothing on file, and completeness (R12) ------------------------------------------------------------------------


def test_nothing_on_file_is_unknown_unless_it_is_stated_or_everything_was_fetched() -> None:
    stated = medication(
        "report",
        {
            "medicationCodeableConcept": {
                "coding": [
                    {"system": "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips", "code": "no-known-medications"}
                ]
            }
        },
        "2026-01-01",
    )

    assert said(answer()) == "unknown not-recorded"
    assert said(answer(states={"MedicationRequest": LoadState.FAILED})) == "unknown not-loaded"
    assert said(answer(stated)) == "not-met"
    assert said(answer(states=ALL_FETCHED)) == "not-met"
    assert said(answer(complete=True)) == "not-met"
    assert said(answer(complete=True, states={"MedicationDispense": LoadState.PARTIAL})) == "unknown not-loaded"
    assert said(answer(states={**ALL_FETCHED, "MedicationStatement": LoadState.NOT_ASKED})) == "unknown not-loaded"


def test_a_supply_that_ended_lately_has_not_surely_ended() -> None:
    lately = medication("supply", "hcq 200", "2026-01-10", daysSupply=days(30))
    long_ago = medication("supply", "hcq 200", "2025-10-10", daysSupply=days(30))

    assert said(answer(lately, states=ALL_FETCHED)) == "unknown not-recorded"
    assert said(answer(long_ago, states=ALL_FETCHED)) == "not-met"


@pytest.mark.parametrize("state", [LoadState.FAILED, LoadState.PARTIAL, LoadState.NOT_AUTHORISED, LoadState.RESTRICTED])
@pytest.mark.parametrize("kind", ["MedicationRequest", "MedicationAdministration"])
def test_what_was_not_loaded_may_overturn_a_decision(kind: str, state: LoadState) -> None:
    decided = answer(HCQ, states={kind: state})

    assert said(decided) == "unknown not-loaded"
    assert decided.evidence
    assert said(answer(order("hcq 200", "2026-02-26"), states={kind: state})) == "unknown not-loaded"
    assert said(answer(HCQ, order("prednisone 5", "2026-02-26"), states={kind: state})) == "needs-clinician judgement"


def test_a_server_that_has_only_orders_can_answer() -> None:
    """DATA-30: Epic R4 has no MedicationStatement."""
    assert said(answer(HCQ, states={"MedicationRequest": LoadState.FETCHED, "MedicationStatement": LoadState.NOT_ASKED})) == "met"
    assert said(answer(HCQ, states={"MedicationRequest": LoadState.NOT_ASKED})) == "unknown not-loaded"


# --- the rest -------------------------------------------------------------------------------------------------------


def test_every_undecided_answer_has_a_next_step_and_evidence_names_the_record() -> None:
    found = answer(HCQ)

    assert [item.origin.reference for item in found.evidence] == [f"MedicationRequest/{HCQ['id']}"]
    assert found.evidence[0].original == "hydroxychloroquine sulfate 200 MG Oral Tablet (active), 400 mg a day"
    assert found.evidence[0].limit == "one dose for 7 days before the first dose"
    for resources in ((), (order("hcq 200", None),), (HCQ, order("prednisone 5", None)), changed("tacrolimus 1", "1 mg", "2 mg")):
        undecided = answer(*resources)
        for one in (undecided, *(part for _, part in undecided.parts)):
            assert one.next_step is not None or one.outcome in (Outcome.MET, Outcome.NOT_MET)


def test_it_needs_all_four_types_and_says_itself_in_words() -> None:
    assert C6.needs().resource_types == (
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
    )
    assert "antimalarial at one dose for 7 days before the first dose" in C6.in_words()


def test_a_definition_without_classes_or_days_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one class"):
        StableTreatment(())
    with pytest.raises(ValueError, match="days must be 1 or more"):
        BackgroundClass("C6.1", "antimalarial", "antimalarial", 0, "screening")
