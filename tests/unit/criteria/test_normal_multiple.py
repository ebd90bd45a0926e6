"""Multiples of the result's own upper limit of normal: C7.8 to C7.10, R10; clinical units section 5."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from fhir_trial.criteria.case import Case
from fhir_trial.criteria.normal_multiple import LabTimesUln
from fhir_trial.facts.sheet import FactSheet
from fhir_trial.records.model import LoadState
from fhir_trial.terminology import SiteLimit
from tests.unit.criteria.stories import briefly, case_of, check_turning_points, lab, patient, shipped

Json = dict[str, Any]

AST = LabTimesUln("ast", "3", called="AST")
BILIRUBIN = LabTimesUln("bilirubin_total", "2", called="total bilirubin")


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def high(value: object, unit: str | None = "U/L", **more: Any) -> Json:
    quantity: Json = {"value": value} | ({"unit": unit} if unit else {})
    return {"high": quantity, **more}


def low(value: object) -> Json:
    return {"low": {"value": value, "unit": "U/L"}}


def ast(value: object, *ranges: Json, unit: str | None = "U/L", days: int | str = 3, **more: Any) -> Json:
    return lab("1920-8", value, unit, days, referenceRange=list(ranges), **more)


# value | upper limit | answer (case 12: 118 with high 40, met up to 120)
MULTIPLES = """
118    | 40   | met
120    | 40   | met
120.1  | 40   | not-met
121    | 40   | not-met
100.5  | 33.5 | met
100.51 | 33.5 | not-met
"""


@pytest.mark.parametrize(("value", "upper", "expected"), _rows(MULTIPLES))
def test_three_times_the_limit_itself_is_within(value: str, upper: str, expected: str) -> None:
    assert briefly(AST.answer(case_of(ast(Decimal(value), high(Decimal(upper)))))) == expected


def test_chosen_limit_and_its_source_are_shown() -> None:
    answer = AST.answer(case_of(ast(118, high(40))))

    assert answer.evidence[0].limit == "<= 120 U/L (3 x 40, its own range up to 40 U/L)"
    assert str(answer.reason) == "The last AST, 118 U/L on 2026-02-27, is at most 120 U/L (3 x 40, its own range up to 40 U/L)."


# comparator text | answer against 3 x 40
COMPARATORS = """
< 10 U/L    | met
<= 120 U/L  | met
< 130 U/L   | unknown unusable
> 120 U/L   | not-met
>= 120 U/L  | needs-clinician unusable
~ 120 U/L   | needs-clinician unusable
> 100 U/L   | unknown unusable
"""


@pytest.mark.parametrize(("text", "expected"), _rows(COMPARATORS))
def test_comparator_against_a_multiple(text: str, expected: str) -> None:
    """R7, mirrored."""
    assert briefly(AST.answer(case_of(ast({"valueString": text}, high(40))))) == expected


RANGES: list[tuple[str, list[Json], str]] = [
    ("its own", [high(40)], "met"),
    ("therapeutic first", [high(1000, type={"coding": [{"code": "therapeutic"}]}), high(30)], "not-met"),
    (
        "normal by type",
        [high(40, type={"coding": [{"code": "normal"}]}), high(20, type={"coding": [{"code": "treatment"}]})],
        "met",
    ),
    ("for men only", [high(10, appliesTo=[{"text": "Male"}]), high(40, appliesTo=[{"text": "Female"}])], "met"),
    (
        "by code",
        [high(10, appliesTo=[{"coding": [{"code": "male"}]}]), high(40, appliesTo=[{"coding": [{"code": "female"}]}])],
        "met",
    ),
    ("of a race", [high(40, appliesTo=[{"text": "any race"}])], "met"),
    (
        "children first",
        [high(10, age={"high": {"value": 17, "unit": "a"}}), high(40, age={"low": {"value": 18, "unit": "a"}})],
        "met",
    ),
    (
        "infants first",
        [high(10, age={"high": {"value": 12, "unit": "mo"}}), high(40, age={"low": {"value": 12, "unit": "mo"}})],
        "met",
    ),
    ("weeks", [high(10, age={"high": {"value": 6, "unit": "wk"}}), high(40)], "met"),
    ("days", [high(10, age={"high": {"value": 6, "unit": "days"}}), high(40)], "met"),
    ("age in an odd unit", [high(40, age={"high": {"value": 6, "unit": "moons"}})], "met"),
    ("age below nothing", [high(40, age={"low": {"value": -5, "unit": "a"}})], "met"),
    ("age without number", [high(40, age={"low": {"unit": "a"}})], "met"),
    ("two that agree", [high(40), high(50)], "met"),
    ("two that do not", [high(40), high(30)], "needs-clinician conflicting"),
    ("no upper end", [low(5)], "unknown unusable"),
    ("an upper end of zero", [high(0)], "unknown unusable"),
    ("upside down", [high(40) | low(50)], "unknown unusable"),
    ("another unit", [high(Decimal("0.7"), "ukat/L")], "met"),
    ("a foreign unit", [high(40, "g/L")], "unknown unusable"),
    ("no unit", [high(40, None)], "met"),
    ("both ends", [high(40) | low(5)], "met"),
    ("in words", [{"text": "0-40"}], "met"),
    ("in words with unit", [{"text": "5 - 40 U/L"}], "met"),
    ("in brackets", [{"text": "(5-40)"}], "met"),
    ("up to", [{"text": "up to 40"}], "met"),
    ("at most", [{"text": "<=40"}], "met"),
    ("below", [{"text": "<40 U/L"}], "met"),
    ("or less, in Chinese", [{"text": "40以下"}], "met"),
    ("at least", [{"text": ">=5"}], "unknown unusable"),
    ("upside down in words", [{"text": "40-5"}], "unknown unusable"),
    ("a foreign unit in words", [{"text": "5-40 g/L"}], "unknown unusable"),
    ("at least in a foreign unit", [{"text": ">=5 g/L"}], "unknown unusable"),
    ("negative", [{"text": "Negative"}], "unknown unusable"),
    ("a titre", [{"text": "<1:80"}], "unknown unusable"),
    ("at least a titre", [{"text": ">1:80"}], "unknown unusable"),
    ("prose", [{"text": "see leaflet"}], "unknown unusable"),
    ("nothing", [{}], "unknown unusable"),
    ("an end without number", [{"high": {"unit": "U/L"}}], "unknown unusable"),
]


@pytest.mark.parametrize(("_name", "ranges", "expected"), RANGES)
def test_range_is_chosen_by_type_sex_age_and_unit(_name: str, ranges: list[Json], expected: str) -> None:
    """A woman of 35 with AST 118."""
    assert briefly(AST.answer(case_of(ast(118, *ranges)))) == expected


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({"gender": "male"}, "not-met"),
        ({"gender": "other"}, "needs-clinician conflicting"),
        (
            {
                "gender": "male",
                "extension": [{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "F"}],
            },
            "needs-clinician conflicting",
        ),
    ],
)
def test_sex_that_is_not_known_shuts_no_range_out(who: Json, expected: str) -> None:
    """R28."""
    ranges = (high(10, appliesTo=[{"text": "male"}]), high(40, appliesTo=[{"text": "female"}]))

    assert briefly(AST.answer(case_of(ast(118, *ranges), who=patient(**who)))) == expected


@pytest.mark.parametrize(
    ("birth", "expected"),
    [
        ("2008-02-27", "met"),
        ("2008-02-28", "not-met"),
        ("2008-02", "needs-clinician conflicting"),
        (None, "needs-clinician conflicting"),
    ],
)
def test_age_counts_on_the_day_of_the_result(birth: str | None, expected: str) -> None:
    """18th birthday on the day of the result, and the day after."""
    ranges = (high(10, age={"high": {"value": 17, "unit": "a"}}), high(40, age={"low": {"value": 18, "unit": "a"}}))

    assert briefly(AST.answer(case_of(ast(118, *ranges), who=patient(birthDate=birth)))) == expected


def test_value_and_range_that_both_lack_a_unit_are_compared_with_each_other() -> None:
    """R9."""
    assert briefly(AST.answer(case_of(ast(118, high(40, None), unit=None)))) == "met"
    assert briefly(AST.answer(case_of(ast(118, high(40), unit=None)))) == "unknown unusable"
    assert briefly(AST.answer(case_of(ast(118, low(5), unit=None)))) == "unknown unusable"


# flag | value | answer with high 40
FLAGS = """
H   | 50  | met
H   | 40  | needs-clinician conflicting
N   | 30  | met
N   | 41  | needs-clinician conflicting
L   | 41  | needs-clinician conflicting
A   | 30  | met
H   | 130 | not-met
"""


@pytest.mark.parametrize(("flag", "value", "expected"), _rows(FLAGS))
def test_flag_that_contradicts_the_range_needs_a_clinician(flag: str, value: str, expected: str) -> None:
    """Clinical units, section 4."""
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": flag}

    assert briefly(AST.answer(case_of(ast(int(value), high(40), interpretation=[{"coding": [code]}])))) == expected


def test_range_that_ends_below_its_number_holds_the_number_outside() -> None:
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "H"}

    assert briefly(AST.answer(case_of(ast(40, {"text": "<40"}, interpretation=[{"coding": [code]}])))) == "met"


# kind | value | unit | answer without a range (R10)
SURELY = """
ast  | 40 | U/L    | needs-clinician unusable
ast  | 41 | U/L    | unknown unusable
ast  | 40 | -      | unknown unusable
bili | 17 | umol/L | needs-clinician unusable
bili | 18 | umol/L | unknown unusable
bili | 0.9 | mg/dL | needs-clinician unusable
bili | 12 | mg/dL  | unknown unusable
bili | 100 | mg/dL | needs-clinician unusable
"""


@pytest.mark.parametrize(("kind", "value", "unit", "expected"), _rows(SURELY))
def test_without_a_limit_a_low_value_is_surely_within_and_needs_a_clinician(
    kind: str, value: str, unit: str, expected: str
) -> None:
    """R10. 100 mg/dL of bilirubin is implausible (R8)."""
    code, asked = ("1920-8", AST) if kind == "ast" else ("1975-2", BILIRUBIN)

    assert briefly(asked.answer(case_of(lab(code, Decimal(value), None if unit == "-" else unit, 3)))) == expected


def test_interpretation_says_nothing_about_a_multiple() -> None:
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "N"}

    assert briefly(AST.answer(case_of(lab("1920-8", 60, "U/L", 3, interpretation=[{"coding": [code]}])))) == "unknown unusable"


def test_trial_may_set_its_own_hint() -> None:
    kind = LabTimesUln("ast", "3", surely_within="60 U/L")

    assert briefly(kind.answer(case_of(lab("1920-8", 60, "U/L", 3)))) == "needs-clinician unusable"


def with_limits(case: Case, *limits: SiteLimit) -> Case:
    terminology = replace(shipped(), limits=limits)
    return replace(case, facts=FactSheet(case.facts.record, terminology, case.facts.zone))


SITE: list[tuple[str, SiteLimit, str]] = [
    ("any", SiteLimit("ast", "U/L", Fraction(40)), "met"),
    ("in another unit", SiteLimit("ast", "ukat/L", Fraction(1, 2)), "not-met"),
    ("in a foreign unit", SiteLimit("ast", "g/L", Fraction(40)), "unknown unusable"),
    ("without upper end", SiteLimit("ast", "U/L", None, Fraction(5)), "unknown unusable"),
    ("for women", SiteLimit("ast", "U/L", Fraction(40), sex="female"), "met"),
    ("for men", SiteLimit("ast", "U/L", Fraction(40), sex="male"), "unknown unusable"),
    ("for adults", SiteLimit("ast", "U/L", Fraction(40), age_from=18), "met"),
    ("for children", SiteLimit("ast", "U/L", Fraction(40), age_below=18), "unknown unusable"),
    ("from that day", SiteLimit("ast", "U/L", Fraction(40), valid_from=date(2026, 2, 27)), "met"),
    ("from the next", SiteLimit("ast", "U/L", Fraction(40), valid_from=date(2026, 2, 28)), "unknown unusable"),
]


@pytest.mark.parametrize(("_name", "limit", "expected"), SITE)
def test_sites_table_stands_in_where_no_limit_came_with_the_result(_name: str, limit: SiteLimit, expected: str) -> None:
    assert briefly(AST.answer(with_limits(case_of(lab("1920-8", 118, "U/L", 3)), limit))) == expected


@pytest.mark.parametrize(
    ("performer", "expected"),
    [
        ([{"display": "Central Laboratory"}], "met"),
        ([{"display": "Ward 3"}, {"display": "Central Laboratory"}], "met"),
        ([{"reference": "#lab"}], "met"),
        ([{"reference": "#nameless"}], "unknown unusable"),
        ([{"reference": "#nobody"}], "unknown unusable"),
        ([{"display": "Another Laboratory"}], "unknown unusable"),
        (None, "unknown unusable"),
    ],
)
def test_sites_table_knows_its_laboratories_by_the_performer(performer: object, expected: str) -> None:
    """R10: the limits of one laboratory are never another's."""
    organization = {"resourceType": "Organization", "id": "lab", "name": "Central Laboratory"}
    result = lab(
        "1920-8", 118, "U/L", 3, performer=performer, contained=[organization, {**organization, "id": "nameless", "name": None}]
    )
    site = SiteLimit("ast", "U/L", Fraction(40), laboratory="Central Laboratory")

    assert briefly(AST.answer(with_limits(case_of(result), site))) == expected


def test_own_range_goes_before_the_sites_table_and_a_missing_unit_has_no_table() -> None:
    site = SiteLimit("ast", "U/L", Fraction(400))
    adults = SiteLimit("ast", "U/L", Fraction(40), age_from=18)

    assert briefly(AST.answer(with_limits(case_of(ast(130, high(40))), site))) == "not-met"
    assert briefly(AST.answer(with_limits(case_of(ast(30, low(5), unit=None)), site))) == "unknown unusable"
    assert briefly(AST.answer(with_limits(case_of(ast(30), who=patient(birthDate="1990")), adults))) == "needs-clinician unusable"


def test_highest_of_28_days_is_shown() -> None:
    answer = AST.answer(case_of(ast(130, high(40), days=9), ast(118, high(40))))

    assert "The highest of the last 28 days was 130 U/L" in str(answer.reason)


@pytest.mark.parametrize(
    ("days", "expected"), [(28, "met"), (29, "needs-clinician stale"), (180, "needs-clinician stale"), (181, "unknown stale")]
)
def test_bands(days: int, expected: str) -> None:
    assert briefly(AST.answer(case_of(ast(118, high(40), days=days)))) == expected


def test_not_loaded_nothing_on_file_and_turning_points() -> None:
    assert briefly(AST.answer(case_of(ast(118, high(40)), states={"Observation": LoadState.PARTIAL}))) == "unknown not-loaded"
    assert briefly(AST.answer(case_of())) == "unknown not-recorded"
    check_turning_points(AST, case_of(ast(118, high(40)), ast(130, high(40), days=-50), ast(30, days="2026-06")), 400)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"at_most_times": "0"}, "above 0"),
        ({"at_most_times": "three"}, "is no limit"),
        ({"at_most_times": "3", "surely_within": "low"}, "is no limit"),
        ({"at_most_times": "3", "fresh_days": 200}, "fresh_days"),
    ],
)
def test_multiple_written_wrong_is_refused(fields: Json, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LabTimesUln("ast", **fields)


def test_needs_and_words() -> None:
    assert AST.needs().resource_types == ("Observation", "Patient")
    assert "at most 3 times" in AST.in_words()


@pytest.mark.parametrize(("value", "expected"), [("119.9", "met"), ("120", "not-met"), ("120.1", "not-met")])
def test_below_a_multiple_leaves_out_the_multiple_itself(value: str, expected: str) -> None:
    rule = LabTimesUln("ast", below_times="3")
    result = lab("1920-8", Decimal(value), "U/L", 3, referenceRange=[{"high": {"value": 40, "unit": "U/L"}}])

    answer = rule.answer(case_of(result))

    assert answer.outcome.value == expected
    assert answer.evidence[0].limit is not None
    assert answer.evidence[0].limit.startswith("< 120 U/L (3 x 40")
    assert "below 3 times" in rule.in_words()


@pytest.mark.parametrize("fields", [{}, {"at_most_times": "3", "below_times": "3"}, {"below_times": "0"}])
def test_exactly_one_multiple_above_nought_is_written(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="times"):
        LabTimesUln("ast", **fields)
