"""Words and flags: answers, interpretations, routes, units of a dose, timing (R23, R34, clinical units sections 4 and 6)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fhir_trial.terminology import Concept, Terminology, coding

# as written | meaning ("-": none)
ANSWERS = """
Negative              | negative
neg (<1:80)           | negative
negative at 1:80      | negative
Not detected          | negative
Non-reactive          | negative
阴性                  | negative
阴性(-)               | negative
未检出                | negative
not positive          | -
negative control OK   | -
no result             | -
-                     | -
Positive              | positive
POS                   | positive
Positive, homogeneous | positive
1:320 positive        | positive
+                     | positive
2+                    | positive
Reactive              | positive
阳性                  | positive
阳性（+）             | positive
Weak positive         | weak
weakly reactive       | weak
弱阳性                | weak
+/-                   | indeterminate
borderline            | indeterminate
equivocal             | indeterminate
Invalid               | invalid
无效                  | invalid
haemolysed            | -
"""


@pytest.mark.parametrize("line", ANSWERS.strip().splitlines())
def test_an_answer_is_read_as_a_whole_negative_before_positive(terminology: Terminology, line: str) -> None:
    text, meaning = (cell.strip() for cell in line.split("|"))

    assert (terminology.qualitative(text) or "-") == meaning


def test_an_answer_is_read_by_code_before_words(terminology: Terminology) -> None:
    concept = Concept((coding("http://snomed.info/sct", "260385009", "Negative"),), "positive")

    assert terminology.qualitative(concept) == "negative"


# flag  meaning
FLAGS = """
   H    above
   HH   above
   HU   above
   L    below
   LL   below
   N    within
   A    abnormal
   AA   abnormal
   POS  positive
   DET  positive
   RR   positive
   WR   weak
   NEG  negative
   ND   negative
   NR   negative
   IND  indeterminate
   E    indeterminate
   S    -
   U    -
   D    -
   R    -
"""


@pytest.mark.parametrize("line", FLAGS.strip().splitlines())
def test_an_interpretation_code_says_this_much(terminology: Terminology, line: str) -> None:
    code, meaning = line.split()
    concept = Concept((coding("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", code),))

    assert terminology.interpretation(concept) == (frozenset() if meaning == "-" else {meaning})


@pytest.mark.parametrize(
    ("text", "meaning"), [("↑", "above"), ("高", "above"), ("*", "abnormal"), ("↓", "below"), ("低", "below"), ("正常", "within")]
)
def test_flags_of_older_messages_arrive_as_text(terminology: Terminology, text: str, meaning: str) -> None:
    assert terminology.interpretation(text) == {meaning}


def test_flags_that_conflict_are_all_reported(terminology: Terminology) -> None:
    system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"

    assert terminology.interpretation(Concept((coding(system, "H"), coding(system, "NEG")))) == {"above", "negative"}


def test_a_flag_of_an_unknown_system_is_not_understood_r34(terminology: Terminology) -> None:
    assert terminology.interpretation(Concept((coding("http://ehr.example.invalid/flags", "H"),))) == frozenset()


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("PO", "oral"),
        ("p.o.", "oral"),
        ("By mouth", "oral"),
        ("口服", "oral"),
        ("鼻饲", "nasogastric"),
        ("G-tube", "gastrostomy"),
        ("IV", "intravenous"),
        ("静脉滴注", "intravenous"),
        ("皮下注射", "subcutaneous"),
        ("外用", "topical"),
        ("somewhere", None),
    ],
)
def test_routes_in_words(terminology: Terminology, text: str, route: str | None) -> None:
    assert terminology.route(text) == route


@pytest.mark.parametrize(
    ("system", "code", "route"),
    [
        ("http://snomed.info/sct", "26643006", "oral"),
        ("http://snomed.info/sct", "127492001", "nasogastric"),
        ("http://snomed.info/sct", "47625008", "intravenous"),
        ("http://snomed.info/sct", "72607000", "intrathecal"),
        ("http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration", "PO", "oral"),
        ("http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration", "NGT", "nasogastric"),
    ],
)
def test_routes_by_code(terminology: Terminology, system: str, code: str, route: str) -> None:
    assert terminology.route(Concept((coding(system, code),))) == route


@pytest.mark.parametrize(
    ("unit", "kind", "factor"),
    [
        ("mg", "mass", "1"),
        ("g", "mass", "1000"),
        ("mcg", "mass", "1/1000"),
        ("ug", "mass", "1/1000"),
        ("片", "count", "1"),
        ("Tablet(s)", "count", "1"),
        ("{tbl}", "count", "1"),
        ("mL", "volume", "1"),
    ],
)
def test_units_of_a_dose(terminology: Terminology, unit: str, kind: str, factor: str) -> None:
    found = terminology.dose_unit(unit)

    assert found is not None
    assert (found.kind, found.factor) == (kind, Fraction(factor))


def test_an_unknown_unit_of_a_dose_is_unreadable(terminology: Terminology) -> None:
    assert terminology.dose_unit("mg/kg") is None


@pytest.mark.parametrize(
    ("said", "times"),
    [
        ("QD", "1"),
        ("BID", "2"),
        ("TID", "3"),
        ("QID", "4"),
        ("Q4H", "6"),
        ("QOD", "1/2"),
        ("WK", "1/7"),
        ("每日两次", "2"),
        ("隔日一次", "1/2"),
        ("as directed", None),
        ("PRN", None),
    ],
)
def test_timing_is_exact_or_nothing(terminology: Terminology, said: str, times: str | None) -> None:
    code = Concept((coding("http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", said),), said)

    assert terminology.times_per_day(code) == (None if times is None else Fraction(times))
