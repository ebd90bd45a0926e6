"""Conditions by code, by prefix and by words (DATA-55, DATA-56, R18, R39)."""

from __future__ import annotations

import pytest

from fhir_trial.terminology import Concept, Terminology, coding

SYSTEMS = {
    "CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "WHO": "http://hl7.org/fhir/sid/icd-10",
    "GM": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "ICD9": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICD9OID": "urn:oid:2.16.840.1.113883.6.103",
    "PCS": "http://www.cms.gov/Medicare/Coding/ICD10",
    "SCT": "http://snomed.info/sct",
    "SCTOID": "urn:oid:2.16.840.1.113883.6.96",
    "RSN": "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason",
    "IPS": "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips",
}

# value set | system and code | role ("-": not a member)
CODES = """
sle                        | CM M32.14               | yes
sle                        | CM m3214                | yes
sle                        | CM M32.0                | -
sle                        | WHO M32.9               | yes
sle                        | WHO M32.9xx001          | yes
sle                        | WHO M32.0               | -
sle                        | WHO M32.000             | -
sle                        | WHO M32.1+              | yes
sle                        | WHO M32.0†              | -
sle                        | GM M32.9                | yes
sle                        | ICD9 710.0              | yes
sle                        | ICD9 7100               | yes
sle                        | ICD9OID 710.0           | yes
sle                        | ICD9 710.1              | -
sle                        | SCT 55464009            | yes
sle                        | SCTOID 55464009         | yes
sle                        | SCT 10528009            | -
sle_drug_induced           | CM M32.0                | no
sle_drug_induced           | WHO M32.0               | no
lupus_vulgaris             | SCT 10528009            | no
cutaneous_lupus            | WHO L93.0               | no
thrombocytopenia_other     | CM D75.821              | no
thrombocytopenia_other     | CM D75.822              | review
thrombocytopenia_other     | CM D69.42               | no
immune_thrombocytopenia    | CM D69.3                | supports note
active_bleeding            | CM I85.00               | -
active_bleeding            | CM I85.01               | blocks
active_bleeding            | WHO I85.0               | blocks
active_bleeding            | CM I62.03               | review
active_bleeding            | CM I60.12               | blocks
active_bleeding            | CM R04.0                | context
active_bleeding            | ICD9 578.9              | blocks
active_bleeding            | WHO N92.000x001         | blocks
pregnant                   | CM O26.90               | blocks
pregnant                   | WHO O26.9               | blocks
pregnant                   | CM Z34.01               | blocks
pregnant                   | CM Z32.02               | -
pregnancy_test_encounter   | CM Z32.02               | weak negative
trap_cervix_only           | CM Z90.712              | no
not_childbearing_potential | CM Z90.712              | -
not_childbearing_potential | CM Z90.710              | not applicable
lung_disease               | CM J84.115              | review
lung_disease               | WHO J84.9               | review
lung_disease               | CM R04.0                | -
lung_disease               | CM J45.909              | -
ecg_or_heart               | CM I50.22               | review
ecg_or_heart               | CM R94.5                | -
drug_problem               | CM Z91.141              | context
drug_problem               | CM Z91.010              | -
transfusion                | PCS 30233N1             | flag
transfusion                | SCT 12719002            | flag
reason_ineffective         | SCT 182841002           | yes
reason_ineffective         | SCT 58848006            | yes
reason_ineffective         | SCT 266721009           | yes
reason_ineffective         | RSN altchoice           | -
reason_intolerance         | RSN sintol              | yes
reason_intolerance         | SCT 407563006           | yes
reason_intolerance         | CM T38.0X5A             | yes
reason_pregnancy           | RSN preg                | yes
reason_refusal             | SCT 105480006           | yes
reason_nonadherence        | SCT 7058009             | yes
reason_nonadherence        | CM Z91.148              | yes
no_known_medications       | IPS no-known-medications | yes
no_known_medications       | IPS no-medication-info  | -
no_known_problems          | IPS no-known-problems   | yes
"""


@pytest.mark.parametrize("line", CODES.strip().splitlines())
def test_the_most_specific_row_decides_the_role(terminology: Terminology, line: str) -> None:
    name, coded, role = (cell.strip() for cell in line.split("|"))
    system, code = coded.split()

    member = terminology.value_set(name).find(Concept((coding(SYSTEMS[system], code),)))

    assert (member.role if member else "-") == role


def test_any_coding_of_a_concept_may_match(terminology: Terminology) -> None:
    concept = Concept((coding("http://ehr.example.invalid/dx", "X"), coding(SYSTEMS["CM"], "M32.9")))

    assert terminology.value_set("sle").find(concept) is not None


# value set | words | role
WORDS = """
sle                | SLE                                          | yes
sle                | Systemic lupus erythematosus with nephritis  | yes
sle                | 系统性红斑狼疮                               | yes
sle                | lupus vulgaris                               | -
sle                | lupus anticoagulant positive                 | -
sle                | drug-induced systemic lupus erythematosus    | -
sle                | rule out SLE                                 | -
sle                | mother has SLE                               | -
sle                | SLE?                                         | -
sle                | slept badly                                  | -
sle_drug_induced   | drug-induced lupus                           | no
active_bleeding    | GI bleed                                     | review
active_bleeding    | gastrointestinal bleeding                    | review
active_bleeding    | no gastrointestinal bleeding                 | -
active_bleeding    | history of gastrointestinal bleeding         | -
active_bleeding    | 消化道出血                                   | review
lung_disease       | interstitial lung disease                    | review
"""


@pytest.mark.parametrize("line", WORDS.strip().splitlines())
def test_words_count_where_nothing_is_coded_denied_or_doubted(terminology: Terminology, line: str) -> None:
    name, text, role = (cell.strip() for cell in line.split("|"))

    member = terminology.value_set(name).find_text(Concept((), text))

    assert (member.role if member else "-") == role


def test_words_beside_a_snomed_claim_are_not_read_r34(terminology: Terminology) -> None:
    concept = Concept((coding(SYSTEMS["SCT"], "22298006"),), "systemic lupus erythematosus")

    assert terminology.value_set("sle").find_text(concept) is None


@pytest.mark.parametrize(
    "text",
    [
        "ineffective",
        "not effective",
        "no response",
        "failed",
        "lack of efficacy",
        "Stopped: treatment failure",
        "无效",
        "疗效不佳",
        "inadequate response",
    ],
)
def test_words_that_say_ineffective_r18(terminology: Terminology, text: str) -> None:
    assert terminology.value_set("reason_ineffective").in_text(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "effective",
        "good response",
        "failed to collect the prescription",
        "kidney failure",
        "not tolerated",
        "course completed",
        "有效",
    ],
)
def test_words_that_do_not_say_ineffective_r18(terminology: Terminology, text: str) -> None:
    assert terminology.value_set("reason_ineffective").in_text(text) is None


def test_intolerance_is_not_said_by_its_denial_r15(terminology: Terminology) -> None:
    reasons = terminology.value_set("reason_intolerance")

    assert reasons.in_text("stopped for side effects") is not None
    assert reasons.in_text("no side effects") is None
