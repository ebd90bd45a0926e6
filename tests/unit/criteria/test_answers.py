"""Answers, their sentences and their order of reasons."""

from __future__ import annotations

from datetime import UTC, date
from decimal import Decimal
from fractions import Fraction

import pytest

from fhir_trial.criteria.answers import Evidence, Outcome, Role, Why, first_why, met, readable, say, unknown, with_evidence
from fhir_trial.logic import Truth
from fhir_trial.records.model import Origin
from fhir_trial.times import read_span


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (read_span("2026-02", UTC), "2026-02"),
        (read_span("2026-02-20T10:00:00Z", UTC), "2026-02-20"),
        (date(2026, 2, 20), "2026-02-20"),
        (Fraction(1, 2), "0.5"),
        (Decimal("8.0"), "8.0"),
        (["a", Fraction(2)], "a, 2"),
        (("x",), "x"),
        (3, "3"),
    ],
)
def test_values_are_told_as_people_read_them(value: object, told: str) -> None:
    assert readable(value) == told


def test_a_sentence_is_put_together_when_it_is_read() -> None:
    assert str(say("{name} is {value}.", name="Platelets", value=Fraction(75))) == "Platelets is 75."


@pytest.mark.parametrize(
    ("outcome", "truth"),
    [
        (Outcome.MET, Truth.TRUE),
        (Outcome.NOT_APPLICABLE, Truth.TRUE),
        (Outcome.NOT_MET, Truth.FALSE),
        (Outcome.UNKNOWN, Truth.UNKNOWN),
        (Outcome.NEEDS_CLINICIAN, Truth.UNKNOWN),
    ],
)
def test_an_outcome_in_three_valued_logic(outcome: Outcome, truth: Truth) -> None:
    assert outcome.truth is truth


def test_the_reasons_stand_in_the_order_of_the_contract() -> None:
    """VER-14."""
    assert [why.value for why in Why] == [
        *("conflicting", "judgement", "unusable", "unstructured", "stale", "not-loaded", "not-recorded")
    ]
    assert first_why([unknown(Why.NOT_LOADED, say("a")), unknown(Why.STALE, say("b"))]) is Why.STALE


def test_more_evidence_stands_after_what_is_there() -> None:
    one, other = Evidence(Origin("Observation/1"), Role.DECIDES), Evidence(Origin("Observation/2"), Role.SHOWN)

    assert with_evidence(met(say("Yes."), [one]), [other]).evidence == (one, other)
