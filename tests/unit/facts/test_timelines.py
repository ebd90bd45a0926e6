"""Timelines: the daily dose of a day, equivalents, and what the records of one drug say together."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from fhir_trial.facts.doses import DailyDose, Dose, Unreadable
from fhir_trial.facts.timelines import Because, Regimen, State, Timeline, Window
from tests.unit.medication_records import Json, S, case_of, days, dosage, medication

WEEK = Window(S, 7, S)


def steroids(*resources: Json, window: Window = WEEK) -> Regimen:
    return regimen("oral_corticosteroid", *resources, window=window, in_equivalents=True)


def regimen(drug_class: str, *resources: Json, window: Window = WEEK, **more: Any) -> Regimen:
    return Timeline(case_of(*resources).facts.medications.of(drug_class), **more).regimen(window)


def told(found: Regimen) -> tuple[State, Because | Unreadable | None]:
    return found.state, found.because


def by_code(code: str, name: str) -> Json:
    return {
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code, "display": f"{name} Oral Tablet"}]
        }
    }


# --- prednisone equivalents: scores.md section 4 --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drugs", "equivalent"),
    [
        ([("8640", "prednisone", "5 mg", "2/1d")], 10),
        ([("8640", "prednisone", "10 mg", "1/2d")], 5),
        ([("6902", "methylprednisolone", "8 mg", "1/1d")], 10),
        ([("3264", "dexamethasone", "1.5 mg", "1/1d")], 10),
        ([("22396", "deflazacort", "12 mg", "1/1d")], 10),
        ([("8640", "prednisone", "7.5 mg", "1/1d"), ("6902", "methylprednisolone", "2 mg", "1/1d")], 10),
        ([("8638", "prednisolone", "5 mg", "1/1d")], 5),
        ([("10759", "triamcinolone", "4 mg", "1/1d")], 5),
        ([("2878", "cortisone", "25 mg", "1/1d")], 5),
        ([("22396", "deflazacort", "1 mg", "1/1d")], Fraction(5, 6)),  # exact, not 0.83
        ([("3264", "dexamethasone", "1 mg", "1/1d")], Fraction(20, 3)),
    ],
)
def test_prednisone_equivalents_are_exact(drugs: list[tuple[str, str, str, str]], equivalent: Fraction | int) -> None:
    """R42: dose x 5 / mg equal to 5 mg of prednisone."""
    orders = [medication("order", by_code(code, name), "2025-06-01", dose, often) for code, name, dose, often in drugs]

    assert steroids(*orders).equivalent == Dose.of(equivalent)


def test_hydrocortisone_three_times_a_day_is_a_sum() -> None:
    """scores.md: 10+5+5 mg."""
    instructions = [dosage(dose) for dose in ("10 mg", "5 mg", "5 mg")]

    found = steroids(medication("order", by_code("5492", "hydrocortisone"), "2025-06-01", dosages=instructions))

    assert found.equivalent == Dose.of(5)


@pytest.mark.parametrize(
    ("doses", "expected"),
    [
        (["5 mg", "5 mg"], Dose.of(5)),
        (["5 mg", "10 mg"], Dose.of(15)),
        (["5 mg", None], Unreadable.NO_DOSE),
    ],
)
def test_two_orders_of_one_product(doses: list[str], expected: DailyDose) -> None:
    found = regimen("antimalarial", *(medication("order", "hcq 200", "2025-06-01", dose) for dose in doses))

    assert found.level == {"hydroxychloroquine": expected}


def test_steps_of_one_order_that_run_together_are_a_sum() -> None:
    bounded = [
        dosage("100 mg")
        | {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": "2025-06-01"}}}}
        for _ in range(2)
    ]

    assert regimen("antimalarial", medication("order", "hcq 200", "2025-06-01", dosages=bounded)).level == {
        "hydroxychloroquine": Dose.of(200)
    }


def test_the_order_speaks_before_a_report_and_a_report_before_a_supply() -> None:
    ordered, reported = (
        medication("order", "hcq 200", "2025-06-01", None, None),
        medication("report", "hcq 200", "2025-06-01", None),
    )
    supplied = medication("supply", "hcq 200", "2026-02-20", "400 mg", daysSupply=days(30))

    assert regimen("antimalarial", ordered, reported).level == {"hydroxychloroquine": Unreadable.NO_DOSAGE}
    assert regimen("antimalarial", supplied).level == {"hydroxychloroquine": Dose.of(400)}
    assert told(regimen("antimalarial", supplied)) == (State.STABLE, None)


# --- ranges ---------------------------------------------------------------------------------------------------------


def ranges(before: str, after: str, drug: str = "hcq 200") -> list[Json]:
    return [
        medication("order", drug, "2025-06-01", before, end="2026-02-26", status="completed"),
        medication("order", drug, "2026-02-27", after),
    ]


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        ("100-200 mg", "100-200 mg", State.UNREADABLE),
        ("100-200 mg", "200 mg", State.UNREADABLE),
        ("100-200 mg", "300-400 mg", State.CHANGED),
        ("300-400 mg", "100-200 mg", State.CHANGED),
        ("200 mg", "200 mg", State.STABLE),
    ],
)
def test_a_dose_that_is_a_range_is_not_one_dose_but_may_plainly_change(before: str, after: str, state: State) -> None:
    assert regimen("antimalarial", *ranges(before, after)).state is state


def test_an_unreadable_dose_just_before_a_readable_one_leaves_the_change_open() -> None:
    orders = ranges("5-10 mg", "7 mg", "prednisone 5")

    assert told(steroids(*orders)) == (State.UNREADABLE, Unreadable.RANGE)
    first_inside = [
        medication("order", "hcq 200", "2025-06-01", None, None, end=None, status="stopped"),
        medication("order", "hcq 200", "2026-02-24", "200 mg"),
    ]
    assert told(regimen("antimalarial", *first_inside)) == (State.UNREADABLE, Unreadable.NO_DOSAGE)


# --- orders of one day, supplies, doubts ----------------------------------------------------------------------------


def test_an_order_replaced_on_its_own_day_was_never_taken() -> None:
    found = regimen(
        "antimalarial",
        medication("order", "hcq 200", "2026-01-10", "400 mg", status="stopped"),
        medication("order", "hcq 200", "2026-01-10", "200 mg"),
    )

    assert told(found) == (State.STABLE, None)
    assert found.level == {"hydroxychloroquine": Dose.of(200)}


def test_the_supply_of_another_steroid_is_no_supply_of_this_one() -> None:
    found = steroids(
        medication("order", "prednisone 5", "2025-06-01", "5 mg"),
        medication("supply", "methylprednisolone 4", "2026-01-10", "4 mg", daysSupply=days(90)),
    )

    assert found.equivalent == Dose.of(10)


def test_one_doubtful_steroid_makes_the_sum_doubtful() -> None:
    lapsed: Json = {"dispenseRequest": {"expectedSupplyDuration": days(30)}}

    found = steroids(
        medication("order", "prednisone 5", "2025-06-01", "5 mg", **lapsed),
        medication("order", "methylprednisolone 4", "2025-06-01", "4 mg"),
    )

    assert told(found) == (State.JUDGEMENT, Because.OVERDUE)


def test_a_gap_inside_the_window_is_an_interruption() -> None:
    month = Window(S, 28, S)
    orders = [
        medication("order", "hcq 200", "2025-06-01", "200 mg", end="2026-02-10", status="completed"),
        medication("order", "hcq 200", "2026-02-20", "200 mg"),
    ]

    assert told(regimen("antimalarial", *orders, window=month)) == (State.JUDGEMENT, Because.GAP)
    assert told(regimen("antimalarial", *orders)) == (State.STABLE, None)


def test_the_change_names_its_day_and_both_doses() -> None:
    found = regimen("antimalarial", *ranges("200 mg", "400 mg"))

    assert found.change is not None
    assert found.change.day == date(2026, 2, 27)
    assert found.change.before == {"hydroxychloroquine": Dose.of(200)}
    assert found.change.after == {"hydroxychloroquine": Dose.of(400)}


def test_nothing_is_absent() -> None:
    assert regimen("antimalarial") == Regimen(State.ABSENT)
    assert not Regimen(State.ABSENT).review


# --- a switch of product: criteria.md C6 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Plaquenil 200 MG Oral Tablet", "hydroxychloroquine 200 MG Oral Tablet", (State.STABLE, None)),
        ("Hydroxychloroquine 200mg tabs", "hydroxychloroquine sulfate 200 MG Oral Tablet", (State.STABLE, None)),
        (
            "hydroxychloroquine 200 MG Oral Tablet",
            "hydroxychloroquine 25 MG/ML Oral Suspension",
            (State.JUDGEMENT, Because.SWITCHED),
        ),
    ],
)
def test_another_brand_at_the_same_dose_is_a_refill_and_another_form_is_judged(before: str, after: str, expected: Any) -> None:
    found = regimen(
        "antimalarial",
        medication("order", {"medicationCodeableConcept": {"text": before}}, "2025-06-01", "200 mg", "1/1d", status="stopped"),
        medication("order", {"medicationCodeableConcept": {"text": after}}, "2026-02-27", "200 mg", "1/1d"),
    )

    assert told(found) == expected


@pytest.mark.parametrize("kind", ["order", "report"])
@pytest.mark.parametrize("status", ["stopped", "completed"])
def test_what_ended_is_not_current_on_its_last_day(kind: str, status: str) -> None:
    """C6 "current": active and covering now. R38: a stop leaves no current drug."""
    bounds = {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": "2025-06-01", "end": S.isoformat()}}
    ended = {"dosages": [dosage("5 mg") | {"timing": {"repeat": bounds}}]} if kind == "order" else {"end": S.isoformat()}

    def found(status: str) -> State:
        return steroids(
            medication(kind, by_code("8640", "prednisone"), "2025-06-01", "5 mg", "1/1d", status=status, **ended)
        ).state

    assert found(status) is State.ABSENT
    assert found("active") is State.STABLE
