"""C2: lupus by the 2019 EULAR/ACR criteria. A recorded classification decides; codes, data and words ask for a clinician."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_trial.criteria.answers import Role
from fhir_trial.criteria.classification import ClassifiedDisease
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import (
    SNOMED,
    Json,
    ago,
    briefly,
    case_of,
    check_turning_points,
    claim,
    clinical,
    condition,
    form,
    lab,
    named,
    patient,
    report,
    verified,
)

C2 = ClassifiedDisease(
    disease="sle",
    called="systemic lupus erythematosus",
    score="eular-acr-2019",
    title="2019 EULAR/ACR classification criteria",
    cutoff=10,
    entry_tests=("ana_titer", "ana_presence", "ana_units"),
    entry_called="ANA test",
    broader="lupus_broader",
    drug_induced="sle_drug_induced",
    skin_limited="cutaneous_lupus",
    overlap="overlap",
    specialties=("rheumatology", "nephrology"),
    child_cutoff=13,
    part_ids=("C2.1", "C2.2", "C2.3", "C2.4"),
)

SLE = condition("M32.9")
REFUTED = condition("M32.9", **verified("refuted"))
DRUG_INDUCED = condition("M32.0")
DISCOID = condition("L93.0")
OVERLAP = {**condition("x"), "code": {"text": "Overlap syndrome"}}
ANA_POSITIVE = lab("5048-4", {"valueString": "1:320"}, None, 3000)
ANA_NEGATIVE = lab("5048-4", {"valueString": "<1:80"}, None, 300)
LOW_WBC = lab("6690-2", 2.0, "10*3/uL", 900)
PROTEINURIA = lab("2889-4", 0.9, "g/(24.h)", 800)
DNA = lab("31348-6", {"valueString": "positive"}, None, 700)


def score(points: int, days: int | str = 400, **more: object) -> Json:
    return named("EULAR/ACR 2019 score", {"valueInteger": points}, days, **more)


def answered(*resources: Json) -> str:
    return briefly(C2.answer(case_of(*resources)))


#  what is on file                                                          answer
CASES = [
    # a recorded classification
    ([score(10)], "met"),  # needs no lupus code beside it
    ([score(9)], "needs-clinician conflicting"),  # R20
    ([score(14), SLE], "met"),
    ([score(14), condition("M32.9", **clinical("remission"))], "met"),  # R20: also in remission
    ([score(14), ANA_POSITIVE], "met"),
    ([score(14), ANA_NEGATIVE], "needs-clinician conflicting"),  # R20
    ([score(14), ANA_NEGATIVE, ANA_POSITIVE], "met"),  # once ever
    ([score(14), score(8)], "needs-clinician conflicting"),
    ([score(14), REFUTED], "needs-clinician conflicting"),
    ([score(14), DRUG_INDUCED], "needs-clinician conflicting"),
    ([score(14), DRUG_INDUCED, SLE], "met"),
    ([score(14), DISCOID], "met"),  # discoid lupus is an item of the criteria
    ([score(14, -1)], "unknown not-recorded"),  # R44
    ([score(14, status="preliminary")], "unknown not-recorded"),
    ([score(14, status="preliminary"), SLE], "needs-clinician judgement"),
    ([named("EULAR/ACR criteria", {"valueBoolean": True}, 9)], "met"),
    ([named("EULAR/ACR criteria", {"valueBoolean": False}, 9)], "not-met"),
    ([named("EULAR/ACR criteria", {"valueBoolean": False}, 9), SLE], "not-met"),  # an explicit statement
    ([named("EULAR/ACR criteria", {"valueBoolean": False}, 9), score(14)], "needs-clinician conflicting"),
    ([named("2010 ACR/EULAR criteria for RA", {"valueInteger": 14}, 9)], "unknown not-recorded"),  # another disease
    ([form([("2019 EULAR/ACR criteria fulfilled?", {"valueBoolean": True})])], "met"),
    ([report("Meets the 2019 EULAR/ACR criteria for SLE.")], "met"),
    ([report("2019 EULAR/ACR score: 14.")], "met"),
    ([report("2019 EULAR/ACR score: 8.")], "needs-clinician conflicting"),
    ([report("Does not meet the 2019 EULAR/ACR criteria.")], "not-met"),
    ([report("EULAR/ACR criteria may be met, if C3 is low.")], "unknown not-recorded"),
    # a diagnosis
    ([SLE], "needs-clinician judgement"),
    ([SLE, ANA_POSITIVE], "needs-clinician judgement"),
    ([SLE, ANA_POSITIVE, LOW_WBC, PROTEINURIA, DNA], "needs-clinician judgement"),
    ([SLE, ANA_NEGATIVE], "needs-clinician conflicting"),
    ([SLE, REFUTED], "needs-clinician conflicting"),
    ([SLE, OVERLAP], "needs-clinician judgement"),
    ([claim("M32.9", "2025-01-01")], "needs-clinician judgement"),  # R19: one weak claim
    ([claim("M32.9", "2025-01-01"), claim("M32.9", "2025-02-01")], "needs-clinician judgement"),
    ([condition("M32.9", **verified("provisional"))], "needs-clinician judgement"),  # R19
    ([condition("M32.9", **verified("differential")), ANA_NEGATIVE], "needs-clinician conflicting"),
    # near it
    ([DRUG_INDUCED], "needs-clinician judgement"),
    ([DISCOID], "needs-clinician judgement"),
    ([OVERLAP], "needs-clinician judgement"),
    ([condition("200936003", SNOMED)], "needs-clinician judgement"),  # broader: review
    ([condition("D68.62")], "unknown not-recorded"),  # lupus anticoagulant syndrome
    ([condition("10528009", SNOMED)], "unknown not-recorded"),  # lupus vulgaris is tuberculosis
    # words
    ([report("Known SLE since 2015.")], "needs-clinician unstructured"),
    ([{**SLE, "code": {"text": "Systemic lupus erythematosus"}}], "needs-clinician unstructured"),
    ([report("No evidence of SLE.")], "unknown not-recorded"),
    ([report("Known SLE since 2015.", -1)], "unknown not-recorded"),
    ([report("Known SLE since 2015."), REFUTED], "needs-clinician unstructured"),  # other evidence than the refusal
    # nothing, or a refusal
    ([], "unknown not-recorded"),
    ([ANA_POSITIVE, LOW_WBC, DNA], "unknown not-recorded"),
    ([REFUTED], "not-met"),
    ([REFUTED, ANA_POSITIVE], "not-met"),
    ([REFUTED, DISCOID], "needs-clinician judgement"),
    ([condition("M32.9", **verified("entered-in-error"))], "unknown not-recorded"),
    ([condition("M32.9", modifierExtension=[{"url": "x:y", "valueBoolean": True}])], "unknown unusable"),  # DATA-22
    ([condition("M32.9", onsetDateTime=ago(-1))], "unknown not-recorded"),  # R44
]


@pytest.mark.parametrize(("resources", "answer"), CASES)
def test_what_is_on_file_gives_the_answer(resources: list[Json], answer: str) -> None:
    assert answered(*resources) == answer


@pytest.mark.parametrize(("resources", "answer"), CASES)
def test_every_undecided_answer_and_part_says_what_to_do_next(resources: list[Json], answer: str) -> None:
    whole = C2.answer(case_of(*resources))

    for found in (whole, *(part for _, part in whole.parts)):
        assert (found.next_step is None) is (found.why is None)
        assert str(found.reason)
        assert not str(found.reason)[0].islower()


#  what is on file                             C2.1 diagnosis, C2.2 entry, C2.3 score, C2.4 clinical item
PARTS = [
    ([], "unknown not-recorded", "unknown not-recorded", "unknown not-recorded", "unknown not-recorded"),
    ([SLE, ANA_POSITIVE], "met", "met", "unknown not-recorded", "unknown not-recorded"),
    ([SLE, ANA_NEGATIVE], "met", "not-met", "unknown not-recorded", "unknown not-recorded"),
    (
        [SLE, lab("5048-4", {"valueString": "<1:160"}, None, 3)],
        "met",
        "unknown unusable",
        "unknown not-recorded",
        "unknown not-recorded",
    ),
    ([SLE, LOW_WBC], "met", "unknown not-recorded", "unknown not-recorded", "needs-clinician judgement"),
    ([SLE, LOW_WBC, PROTEINURIA, DNA], "met", "unknown not-recorded", "needs-clinician judgement", "needs-clinician judgement"),
    ([score(14)], "unknown not-recorded", "unknown not-recorded", "met", "met"),
    ([score(14), ANA_NEGATIVE], "unknown not-recorded", "not-met", "needs-clinician conflicting", "unknown not-recorded"),
    ([REFUTED], "not-met", "unknown not-recorded", "unknown not-recorded", "unknown not-recorded"),
    ([SLE, REFUTED], "needs-clinician conflicting", "unknown not-recorded", "unknown not-recorded", "unknown not-recorded"),
    ([report("SLE")], "needs-clinician unstructured", "unknown not-recorded", "unknown not-recorded", "unknown not-recorded"),
]


@pytest.mark.parametrize("row", PARTS)
def test_the_parts_are_answered_each_on_its_own(row: tuple[list[Json], str, str, str, str]) -> None:
    resources, *expected = row
    parts = C2.answer(case_of(*resources)).parts

    assert [name for name, _ in parts] == ["C2.1", "C2.2", "C2.3", "C2.4"]
    assert [briefly(part) for _, part in parts] == expected


def test_the_table_of_points_is_shown_when_likely() -> None:
    answer = C2.answer(case_of(SLE, ANA_POSITIVE, LOW_WBC, PROTEINURIA, DNA))

    assert "data show up to 13 points (leukopenia 3, proteinuria 4, anti-dsDNA or anti-Sm 6)" in str(answer.reason)
    assert str(answer.reason).count("likely") == 1
    assert [row.limit.split(",")[0] for row in answer.evidence if row.limit and "points" in row.limit] == [
        "Leukopenia",
        "Proteinuria",
        "Anti-dsDNA or anti-Sm",
    ]
    assert answer.facts.low == 13


def test_ten_points_without_a_clinical_item_are_not_called_likely() -> None:
    low = {"referenceRange": [{"low": {"value": 0.9, "unit": "g/L"}}]}
    low_c4 = {"referenceRange": [{"low": {"value": 0.1, "unit": "g/L"}}]}
    answer = C2.answer(
        case_of(SLE, ANA_POSITIVE, DNA, lab("4485-9", 0.5, "g/L", 9, **low), lab("4498-2", 0.05, "g/L", 9, **low_c4))
    )

    assert answer.facts.low == 10
    assert "likely" not in str(answer.reason)


def test_the_entry_test_goes_by_its_name() -> None:
    answer = C2.answer(case_of(SLE, ANA_NEGATIVE))

    assert str(answer.reason) == "Systemic lupus erythematosus is coded, but every ANA test on file is below 1:80."


def test_a_recorded_score_is_the_evidence_that_decides() -> None:
    row = C2.answer(case_of(score(14), SLE)).evidence[0]

    assert (row.role, row.value, row.origin.reference) == (Role.DECIDES, Fraction(14), "Observation/r1")


def test_what_speaks_against_is_marked_so() -> None:
    answer = C2.answer(case_of(SLE, REFUTED, ANA_NEGATIVE, ANA_NEGATIVE))

    assert [row.role for row in answer.evidence] == [Role.SUPPORTS, Role.AGAINST, Role.AGAINST]


def test_of_many_claims_the_oldest_and_the_two_newest_are_shown() -> None:
    claims = [claim("M32.9", f"202{year}-01-01") for year in range(6)]
    rows = C2.answer(case_of(*claims)).evidence

    assert [row.dated and row.dated.text for row in rows] == ["2020-01-01", "2024-01-01", "2025-01-01"]


@pytest.mark.parametrize(
    ("who", "told"),
    [(patient(birthDate="2008-03-03"), True), (patient(birthDate="2008-03-02"), False), (patient(birthDate=None), False)],
)
def test_for_a_child_the_other_cutoff_is_told_and_not_used(who: Json, told: bool) -> None:
    answer = C2.answer(case_of(score(11), who={key: value for key, value in who.items() if value}))

    assert briefly(answer) == "met"
    assert ("a cut-off of 13 has been proposed" in str(answer.reason)) is told


def test_the_cutoff_is_a_setting() -> None:
    stricter = ClassifiedDisease("sle", "SLE", "eular-acr-2019", "criteria", 13, ("ana_titer",))

    assert briefly(stricter.answer(case_of(score(12)))) == "needs-clinician conflicting"
    assert briefly(stricter.answer(case_of(score(13)))) == "met"
    assert briefly(stricter.answer(case_of(DRUG_INDUCED, score(13)))) == "met"  # no set of drug-induced forms named
    assert briefly(stricter.answer(case_of(SLE, OVERLAP))) == "needs-clinician judgement"


#  not loaded            on file       answer
@pytest.mark.parametrize(
    ("missing", "resources", "answer"),
    [
        ("Condition", [], "unknown not-loaded"),
        ("DocumentReference", [], "unknown not-loaded"),
        ("Condition", [REFUTED], "unknown not-loaded"),  # another diagnosis may exist
        ("Observation", [REFUTED], "unknown not-loaded"),
        ("Observation", [score(14)], "met"),  # a stated fact stays
        ("Condition", [SLE], "needs-clinician judgement"),
        ("MedicationRequest", [REFUTED], "not-met"),
    ],
)
def test_what_was_not_loaded_may_overturn_the_answer(missing: str, resources: list[Json], answer: str) -> None:
    assert briefly(C2.answer(case_of(*resources, states={missing: LoadState.FAILED}))) == answer


def test_negative_entry_tests_prove_nothing_where_not_all_were_loaded() -> None:
    parts = dict(C2.answer(case_of(SLE, ANA_NEGATIVE, states={"Observation": LoadState.PARTIAL})).parts)

    assert briefly(parts["C2.2"]) == "unknown not-loaded"


def test_it_needs_every_place_where_lupus_may_stand() -> None:
    assert C2.needs().resource_types == (
        "Condition",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "Observation",
        "QuestionnaireResponse",
    )
    assert "a score of 10 or more" in C2.in_words()


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="four part ids"):
        ClassifiedDisease("sle", "SLE", "eular-acr-2019", "criteria", 10, (), part_ids=("one",))
    with pytest.raises(ValueError, match="at least 1"):
        ClassifiedDisease("sle", "SLE", "eular-acr-2019", "criteria", 0, ())


WHEN = st.one_of(st.integers(-300, 100).map(ago), st.sampled_from(["2026", "2026-06", "2025"]))
CODES = st.sampled_from(["M32.9", "M32.0", "L93.0"])
ON_FILE = st.lists(
    st.one_of(
        st.builds(claim, CODES, WHEN),
        st.builds(lambda when: condition("M32.9", **verified("refuted"), onsetDateTime=when), WHEN),
        st.builds(score, st.sampled_from([8, 14]), WHEN),
        st.builds(
            lambda when, titre: lab("5048-4", {"valueString": titre}, None, when), WHEN, st.sampled_from(["1:40", "1:320"])
        ),
        st.builds(lambda when: report("Known SLE.", when), WHEN),
        st.builds(lambda when: report("Does not meet the EULAR/ACR criteria.", when), WHEN),
    ),
    max_size=4,
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(ON_FILE)
def test_turning_points_are_complete(resources: list[Json]) -> None:
    check_turning_points(C2, case_of(*resources), days=400)
