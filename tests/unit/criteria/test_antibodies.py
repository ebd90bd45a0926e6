"""Antibodies in a window of months: C3.1 to C3.3; R21 to R23; clinical units sections 2, 4 to 6. Cases 2, 3, 4."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fhir_trial.criteria.above_normal import AboveNormal
from fhir_trial.criteria.answers import Role
from fhir_trial.criteria.titre import TitreAtLeast
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import LOINC, briefly, case_of, check_turning_points, lab

Json = dict[str, Any]

ANA = TitreAtLeast(
    "ana_titer", "ana_presence", "ana_units", doubtful_methods=("rat_liver",), doubtful_below=160, called="ANA titre"
)
DNA = AboveNormal("anti_dsdna_qn", "anti_dsdna_titer", "anti_dsdna_presence", called="anti-dsDNA antibody")
SM = AboveNormal("anti_sm_qn", "anti_sm_titer", "anti_sm_presence", combined="anti_sm_rnp", called="anti-Sm antibody")
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def flag(code: str) -> Json:
    return {} if code == "-" else {"interpretation": [{"coding": [{"system": INTERPRETATION, "code": code}]}]}


def words(code: str, text: str, days: int | str = 3, **more: Any) -> Json:
    return lab(code, {"valueString": text}, None, days, **more)


def upper(value: object, unit: str | None = "[IU]/mL") -> Json:
    return {"referenceRange": [{"high": {"value": value} | ({"unit": unit} if unit else {})}]}


# code | value | answer: 5048-4 titre, 8061-4 presence, 21423-9 rat liver, 20401-6 a pattern
TITRES = """
5048-4  | 1:80                | met
5048-4  | 1:40                | not-met
5048-4  | 1:100               | met
5048-4  | 1:320 speckled      | met
5048-4  | >=1:1280            | met
5048-4  | <1:80               | not-met
5048-4  | <1:160              | unknown unusable
5048-4  | >1:40               | unknown unusable
5048-4  | ~1:80               | unknown unusable
5048-4  | negative at 1:80    | not-met
5048-4  | negative at 1:160   | unknown unusable
5048-4  | negative 1:160      | met
5048-4  | weak positive 1:80  | met
5048-4  | 1:80 - 1:160        | met
5048-4  | 1:40 - 1:80         | unknown unusable
5048-4  | 1:20 - 1:40         | not-met
5048-4  | 0.0125              | needs-clinician unusable
5048-4  | Positive            | needs-clinician judgement
5048-4  | +                   | needs-clinician judgement
5048-4  | weak positive       | needs-clinician judgement
5048-4  | equivocal           | needs-clinician judgement
5048-4  | Negative            | not-met
5048-4  | invalid             | unknown unusable
5048-4  | see report          | unknown unusable
20401-6 | 1:80                | met
21423-9 | 1:80                | needs-clinician judgement
21423-9 | 1:159               | needs-clinician judgement
21423-9 | >=1:80              | needs-clinician judgement
21423-9 | 1:160               | met
21423-9 | 1:79                | not-met
8061-4  | Positive            | needs-clinician judgement
8061-4  | 2+                  | needs-clinician judgement
8061-4  | Negative            | not-met
8061-4  | Positive 1:80       | met
8061-4  | 阳性                  | needs-clinician judgement
8061-4  | 弱阳性                 | needs-clinician judgement
13111-0 | 1:160               | unknown not-recorded
"""


@pytest.mark.parametrize(("code", "text", "expected"), _rows(TITRES))
def test_titre_decides_and_words_need_a_clinician(code: str, text: str, expected: str) -> None:
    """C3.1, R23."""
    assert briefly(ANA.answer(case_of(words(code, text)))) == expected


# value | range | flag | answer of an ANA immunoassay (units, no titre)
ASSAYS = """
30 | 20 | -   | needs-clinician judgement
20 | 20 | -   | not-met
10 | 20 | -   | not-met
10 | 20 | H   | needs-clinician conflicting
30 | 20 | N   | needs-clinician judgement
30 | -  | -   | unknown unusable
30 | -  | H   | needs-clinician judgement
30 | -  | POS | needs-clinician judgement
30 | -  | N   | not-met
30 | -  | NEG | not-met
30 | -  | WR  | needs-clinician judgement
30 | -  | E   | needs-clinician judgement
"""


@pytest.mark.parametrize(("value", "high", "code", "expected"), _rows(ASSAYS))
def test_immunoassay_is_a_hint_above_its_limit_and_disproves_below(value: str, high: str, code: str, expected: str) -> None:
    more = ({} if high == "-" else upper(int(high))) | flag(code)

    assert briefly(ANA.answer(case_of(lab("5047-6", int(value), "[IU]/mL", 3, **more)))) == expected


def test_immunoassay_with_a_bound_or_two_ranges_leaves_it_open() -> None:
    two = {"referenceRange": [{"high": {"value": 20}}, {"high": {"value": 40}}]}

    assert briefly(ANA.answer(case_of(words("5047-6", "> 10 U/mL", **upper(20, "U/mL"))))) == "unknown unusable"
    assert briefly(ANA.answer(case_of(lab("5047-6", 30, "U/mL", 3, **two)))) == "needs-clinician conflicting"


def test_titre_of_the_same_day_settles_a_word_and_of_another_day_does_not() -> None:
    """R23, R22."""
    assert briefly(ANA.answer(case_of(words("8061-4", "Positive"), words("5048-4", "1:40")))) == "not-met"
    assert briefly(ANA.answer(case_of(words("8061-4", "Positive"), words("5048-4", "1:40", 4)))) == "needs-clinician judgement"
    assert (
        briefly(ANA.answer(case_of(words("8061-4", "Positive", "2026-02"), words("5048-4", "1:40", "2026-02"))))
        == "needs-clinician judgement"
    )


def test_flag_against_a_titre_says_nothing() -> None:
    """R23."""
    assert briefly(ANA.answer(case_of(words("5048-4", "1:160", **flag("N"))))) == "met"
    assert briefly(ANA.answer(case_of(words("5048-4", "1:40", **flag("POS"))))) == "not-met"


# date | answer on 2026-03-02 (case 2: twelve months and zero days before, and the day before that)
WINDOW = """
2025-03-02           | met
2025-03-01           | unknown stale
2026-03-02           | met
2026-03-03           | unknown not-recorded
2025-03              | unknown unusable
2025                 | unknown unusable
2025-04              | met
2026-03              | met
2024                 | unknown stale
2026-03-02T23:59:00Z | met
"""


@pytest.mark.parametrize(("when", "expected"), _rows(WINDOW))
def test_both_ends_of_twelve_calendar_months_count(when: str, expected: str) -> None:
    """R30: a month that straddles the end is unknown."""
    assert briefly(ANA.answer(case_of(words("5048-4", "1:80", when)))) == expected
    assert briefly(DNA.answer(case_of(lab("5130-0", 30, "[IU]/mL", when, **upper(20))))) == expected


def test_window_ends_at_the_first_dose() -> None:
    case = case_of(words("5048-4", "1:80", 3))

    assert briefly(ANA.answer(replace(case, planned_first_dose=date(2026, 2, 27)))) == "met"
    assert briefly(ANA.answer(replace(case, planned_first_dose=date(2026, 2, 26)))) == "unknown stale"
    assert briefly(ANA.answer(replace(case, planned_first_dose=date(2026, 3, 20)))) == "met"
    assert briefly(ANA.answer(replace(case, planned_first_dose=date(2020, 3, 20)))) == "unknown stale"


# results "value @ date" | answer
SEVERAL = """
1:160 @ 2025-06-01, 1:40 @ 2026-02-01          | met
1:40 @ 2025-06-01, <1:160 @ 2026-02-01         | unknown unusable
1:40 @ 2025-06-01, Positive @ 2026-02-01       | needs-clinician judgement
1:40 @ 2025-06-01, see report @ 2026-02-01     | not-met
1:160 @ 2024-06-01, see report @ 2026-02-01    | unknown unusable
1:40 @ 2026-02-01, 1:160 @ 2025-03             | unknown unusable
1:40 @ 2026-02-01, 1:40 @ 2025-03              | not-met
1:40 @ 2025-03                                 | unknown unusable
1:160 @ 2026-02-01, 1:160 @ 2025-03            | met
see report @ 2024-01-01                        | unknown unusable
"""


@pytest.mark.parametrize(("results", "expected"), _rows(SEVERAL))
def test_any_positive_in_the_window_is_enough(results: str, expected: str) -> None:
    """R22, and "A positive beside a negative in the window: met"."""
    told = [one.strip().split(" @ ") for one in results.split(",")]

    assert briefly(ANA.answer(case_of(*(words("5048-4", text, day) for text, day in told)))) == expected


def test_positive_decides_and_the_negative_beside_it_stands_against() -> None:
    answer = ANA.answer(case_of(words("5048-4", "1:160", 30), words("5048-4", "1:40", 3), words("5048-4", "see", 2)))

    assert [(item.role, item.original) for item in answer.evidence] == [(Role.DECIDES, "1:160"), (Role.AGAINST, "1:40")]
    assert answer.evidence[0].limit == ">= 1:80"
    assert str(answer.reason) == "The ANA titre of 2026-01-31, 1:160, is at least 1:80."


def test_undecided_neighbours_are_shown_by_their_role() -> None:
    answer = ANA.answer(case_of(words("5048-4", "1:40", 30), words("5048-4", "<1:160", 20), words("5048-4", "Positive", 10)))

    assert [item.role for item in answer.evidence] == [Role.DECIDES, Role.UNUSABLE, Role.SUPPORTS]
    assert str(answer.next_step) == "Judge whether this counts as a positive ANA titre, or order an ANA titre."


# value | unit | range | flag | answer of a quantity (case 3: 20 with high 20)
QUANTITIES = """
20   | [IU]/mL | 20 [IU]/mL | -   | not-met
20.1 | [IU]/mL | 20 [IU]/mL | -   | met
21   | IU/mL   | 20 [IU]/mL | -   | met
21   | [IU]/mL | 20 -       | -   | met
21   | -       | 20 -       | -   | met
21   | -       | 20 [IU]/mL | -   | unknown unusable
21   | -       | 20 [IU]/mL | H   | met
21   | IU/mL   | 20 U/g     | -   | unknown unusable
30   | [IU]/mL | -          | -   | unknown unusable
30   | [IU]/mL | -          | H   | met
30   | [IU]/mL | -          | HH  | met
30   | [IU]/mL | -          | A   | met
30   | [IU]/mL | -          | POS | met
30   | [IU]/mL | -          | N   | not-met
30   | [IU]/mL | -          | L   | not-met
30   | [IU]/mL | -          | NEG | not-met
30   | [IU]/mL | -          | IND | needs-clinician judgement
30   | [IU]/mL | -          | E   | needs-clinician judgement
30   | [IU]/mL | -          | WR  | needs-clinician judgement
30   | [IU]/mL | 20 [IU]/mL | N   | needs-clinician conflicting
10   | [IU]/mL | 20 [IU]/mL | H   | needs-clinician conflicting
10   | [IU]/mL | 20 [IU]/mL | N   | not-met
30   | [IU]/mL | 20 [IU]/mL | H   | met
30   | [IU]/mL | 20 [IU]/mL | WR  | needs-clinician judgement
"""


@pytest.mark.parametrize(("value", "unit", "bound", "code", "expected"), _rows(QUANTITIES))
def test_number_is_compared_with_its_own_range_then_its_flag_speaks(
    value: str, unit: str, bound: str, code: str, expected: str
) -> None:
    """C3.2; clinical units, section 4: the two in conflict need a clinician."""
    more = flag(code)
    if bound != "-":
        number, of = bound.split()
        more |= upper(Decimal(number), None if of == "-" else of)

    assert briefly(DNA.answer(case_of(lab("5130-0", Decimal(value), None if unit == "-" else unit, 3, **more)))) == expected


# valueString | range text | answer
BOUNDS = """
>400 IU/mL | 0-400    | met
> 400 IU/mL | <20     | met
<10 IU/mL  | <=10     | not-met
<10 IU/mL  | 0-20     | not-met
<10 IU/mL  | 0-5      | unknown unusable
20 IU/mL   | <20      | not-met
30 IU/mL   | Negative | unknown unusable
Positive   | Negative | met
Positive   | 0-20     | met
Negative   | Negative | not-met
Equivocal  | Negative | needs-clinician judgement
30 IU/mL   | <1:10    | unknown unusable
"""


@pytest.mark.parametrize(("text", "bound", "expected"), _rows(BOUNDS))
def test_bounds_and_words_against_ranges_in_words(text: str, bound: str, expected: str) -> None:
    assert briefly(DNA.answer(case_of(words("5130-0", text, referenceRange=[{"text": bound}])))) == expected


# titre | range text | flag | answer
DNA_TITRES = """
1:10 | <1:10  | -   | met
1:5  | <1:10  | -   | not-met
1:10 | <=1:10 | -   | not-met
1:20 | <=1:10 | -   | met
1:20 | 0-10   | -   | met
1:10 | 0-10   | -   | not-met
1:20 | <1:10  | NEG | met
1:5  | <1:10  | POS | not-met
1:20 | -      | -   | unknown unusable
1:20 | -      | POS | met
1:20 | -      | NEG | not-met
positive 1:20 | - | - | met
negative at 1:10 | - | - | not-met
0.05 | <1:10  | -   | needs-clinician unusable
"""


@pytest.mark.parametrize(("text", "bound", "code", "expected"), _rows(DNA_TITRES))
def test_titre_against_its_own_cut_off_decides_whatever_its_flag(text: str, bound: str, code: str, expected: str) -> None:
    """R23; "dsDNA titre without range or flag: unknown"."""
    ranges: Json = {} if bound == "-" else {"referenceRange": [{"text": bound}]}

    assert briefly(DNA.answer(case_of(words("11013-0", text, **ranges, **flag(code))))) == expected


# presence | flag | answer
PRESENCE = """
Positive | -   | met
++       | -   | met
Negative | -   | not-met
weak positive | - | needs-clinician judgement
Positive | NEG | needs-clinician conflicting
Negative | POS | needs-clinician conflicting
Positive | POS | met
see text | POS | met
see text | -   | unknown unusable
invalid  | POS | unknown unusable
"""


@pytest.mark.parametrize(("text", "code", "expected"), _rows(PRESENCE))
def test_qualitative_positive_is_above_the_cut_off(text: str, code: str, expected: str) -> None:
    assert briefly(DNA.answer(case_of(words("6457-6", text, **flag(code))))) == expected


def test_ranges_that_differ_and_nothing_tells_apart_need_a_clinician() -> None:
    two = {"referenceRange": [{"high": {"value": 20}}, {"high": {"value": 40}}]}

    assert briefly(DNA.answer(case_of(lab("5130-0", 30, "[IU]/mL", 3, **two)))) == "needs-clinician conflicting"
    assert briefly(DNA.answer(case_of(lab("5130-0", 50, "[IU]/mL", 3, **two)))) == "met"


def test_single_stranded_dna_is_ignored() -> None:
    assert briefly(DNA.answer(case_of(lab("5132-6", 50, "U/mL", 3, **upper(20, "U/mL"))))) == "unknown not-recorded"


def test_preliminary_positive_counts_for_nothing() -> None:
    assert briefly(DNA.answer(case_of(words("6457-6", "Positive", status="preliminary")))) == "unknown unusable"


# combined Sm/RNP | anti-Sm itself | answer (case 4)
COMBINED = """
Positive      | -                  | needs-clinician judgement
Negative      | -                  | not-met
weak positive | -                  | needs-clinician judgement
see text      | -                  | unknown unusable
-             | Positive           | met
Positive      | Negative           | not-met
Negative      | Positive           | met
Positive      | see text           | needs-clinician judgement
Negative      | see text           | not-met
see text      | see text           | unknown unusable
-             | -                  | unknown not-recorded
"""


@pytest.mark.parametrize(("both", "own", "expected"), _rows(COMBINED))
def test_combined_antigen_disproves_but_does_not_prove(both: str, own: str, expected: str) -> None:
    """R22; "A result of anti-Sm itself goes before a combined Sm/RNP antigen"."""
    told = [words(code, text) for code, text in (("31628-1", both), ("31627-3", own)) if text != "-"]

    assert briefly(SM.answer(case_of(*told))) == expected


def test_combined_antigen_by_number_and_outside_the_window() -> None:
    assert briefly(SM.answer(case_of(lab("14030-1", 30, "U/mL", 3, **upper(20, "U/mL"))))) == "needs-clinician judgement"
    assert briefly(SM.answer(case_of(words("31628-1", "Positive", 500)))) == "unknown not-recorded"
    assert Role.SHOWN in {
        item.role for item in SM.answer(case_of(words("31628-1", "Positive"), words("31627-3", "Negative"))).evidence
    }


def test_combined_result_that_is_not_final_counts_for_nothing() -> None:
    assert briefly(SM.answer(case_of(words("31628-1", "Negative", status="preliminary")))) == "unknown unusable"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1:160", "met"), ("1:40", "unknown not-loaded"), ("Positive", "unknown not-loaded"), (None, "unknown not-loaded")],
)
def test_positive_stands_and_anything_else_waits_while_observations_are_missing(text: str | None, expected: str) -> None:
    told = [] if text is None else [words("5048-4", text)]

    assert briefly(ANA.answer(case_of(*told, states={"Observation": LoadState.PARTIAL}))) == expected


def test_panel_of_patterns_counts_by_its_components() -> None:
    part = {"code": {"coding": [{"system": "http://loinc.org", "code": "20401-6"}]}, "valueString": "1:320"}

    assert briefly(ANA.answer(case_of(lab("5048-4", {}, None, 3, component=[part])))) == "met"


@pytest.mark.parametrize(
    "when", ["2025-03-10", "2025-03", "2024-02-29", "2025-03-31", "2026-04-30", "2026-05", "2025-08-31", "2025-02-28"]
)
@pytest.mark.parametrize("planned", [None, date(2026, 5, 5), date(2026, 1, 5)])
def test_turning_points_name_every_day_on_which_the_answer_changes(when: str, planned: date | None) -> None:
    """VER-16, month ends included."""
    undated = {key: value for key, value in words("5048-4", "1:80").items() if key != "effectiveDateTime"}
    case = replace(
        case_of(words("5048-4", "1:80", when), words("31628-1", "Negative", when), undated), planned_first_dose=planned
    )

    check_turning_points(ANA, case, 430)
    check_turning_points(replace(ANA, months=1), case, 430)
    check_turning_points(SM, case, 430)


BAD: list[tuple[type, Json, str]] = [
    (TitreAtLeast, {"titre": "ana_titer", "at_least": 0}, "at least 1"),
    (TitreAtLeast, {"titre": "ana_titer", "months": 0}, "at least 1"),
    (TitreAtLeast, {"titre": "ana_titer", "doubtful_methods": ("rat_liver",)}, "belong together"),
    (TitreAtLeast, {"titre": "ana_titer", "doubtful_below": 160}, "belong together"),
    (TitreAtLeast, {"titre": "ana_titer", "doubtful_methods": ("rat_liver",), "doubtful_below": 80}, "above at_least"),
    (AboveNormal, {}, "at least one of"),
    (AboveNormal, {"titre": "anti_sm_titer", "months": 0}, "at least 1"),
]


@pytest.mark.parametrize(("kind", "fields", "said"), BAD)
def test_kind_written_wrong_is_refused(kind: type, fields: Json, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kind(**fields)


def test_needs_and_words() -> None:
    assert ANA.needs().needs[0].laboratory == ("ana_titer", "ana_presence", "ana_units")
    assert SM.needs().needs[0].laboratory == ("anti_sm_qn", "anti_sm_titer", "anti_sm_presence", "anti_sm_rnp")
    assert "at least 1:80" in ANA.in_words()
    assert "any anti-Sm antibody of the last 12 months" in SM.in_words()


#  words of two components with 1:40 and 1:320, answer
@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (({"text": "Homogeneous"}, {"text": "Speckled"}), "met"),
        (({"text": "Homogeneous"}, {"text": "Anti-dsDNA"}), "not-met"),  # the name of another antibody
        (({"text": "Homogeneous"}, {"coding": [{"system": LOINC, "code": "99999-9"}]}), "not-met"),  # and another code
    ],
)
def test_patterns_that_only_words_name_are_titres_of_the_whole(codes: tuple[Json, Json], expected: str) -> None:
    """Clinical units, section 2: of several patterns in components the highest titre counts."""
    parts = [{"code": code, "valueString": titre} for code, titre in zip(codes, ("1:40", "1:320"), strict=True)]

    assert briefly(ANA.answer(case_of(lab("5048-4", {}, None, 3, component=parts)))) == expected


def test_a_pattern_without_a_titre_is_no_titre() -> None:
    parts = [
        {"code": {"text": "Homogeneous"}, "valueString": "see comment"},
        {"code": {"text": "Speckled"}, "valueString": "1:320"},
    ]

    assert briefly(ANA.answer(case_of(lab("5048-4", {}, None, 3, component=parts)))) == "met"
