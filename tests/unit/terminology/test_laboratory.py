"""Analytes by code and, where nothing is coded, by name (R34, clinical units section 7)."""

from __future__ import annotations

import pytest

from fhir_trial.terminology import Concept, Terminology, coding

LOINC = "http://loinc.org"


# code     analyte          role        part        method      preference
CODES = """
  751-8    anc              accept      -           -           1
  768-2    anc              derive      segs        -           2
  763-3    anc              derive      bands       -           2
  770-8    anc              derive      percent     -           2
  20482-6  anc              proxy       granulocytes -          2
  9558-8   cd19             proxy       cd20        -           2
  8117-4   cd19             derive      percent     -           2
  8811-2   lvef             accept      -           mr          1
  18045-5  lvef             accept      -           biplane     1
  10230-1  lvef             accept      -           -           2
  8807-0   lvef             accept      -           visual      3
  21423-9  ana_titer        accept_low  -           rat_liver   3
  16392-3  ana_presence     accept_low  -           rodent      3
  62238-1  egfr             accept      -           ckd_epi     2
  33914-3  egfr             accept_low  -           mdrd        3
  50384-7  egfr             accept      -           schwartz    2
  4548-4   hemoglobin       reject      -           -           2
  107193-5 platelets        flag        clumping    -           2
  3151-8   spo2             context     flow        -           2
  108020-9 ana_titer        order       -           -           2
"""


@pytest.mark.parametrize("line", CODES.strip().splitlines())
def test_a_code_says_analyte_role_part_and_method(terminology: Terminology, line: str) -> None:
    code, *expected = line.split()

    (found,) = terminology.lab_codes(Concept((coding(LOINC, code),)))

    said = (found.analyte, found.role, found.part or "-", found.method or "-", str(found.preference))
    assert said == tuple(expected)


def test_magnetic_resonance_goes_before_biplane_or_with_it_and_both_before_visual_r25(terminology: Terminology) -> None:
    preference = {
        code: terminology.lab_codes(Concept((coding(LOINC, code),)))[0].preference for code in ("8811-2", "18045-5", "8807-0")
    }

    assert preference["8811-2"] == preference["18045-5"] < preference["8807-0"]


def test_formulas_for_adults_are_marked_because_children_must_ignore_them(terminology: Terminology) -> None:
    methods = {
        code: terminology.lab_codes(Concept((coding(LOINC, code),)))[0].method for code in ("98979-8", "33914-3", "50384-7")
    }

    assert methods == {"98979-8": "ckd_epi", "33914-3": "mdrd", "50384-7": "schwartz"}


def test_an_indexed_gfr_code_fixes_its_unit_r9(terminology: Terminology) -> None:
    assert terminology.lab_codes(Concept((coding(LOINC, "98979-8"),)))[0].fixes_unit
    assert not terminology.lab_codes(Concept((coding(LOINC, "718-7"),)))[0].fixes_unit


def test_an_unknown_code_measures_nothing(terminology: Terminology) -> None:
    assert terminology.lab_codes(Concept((coding(LOINC, "99999-9"), coding("http://loinc.com", "718-7")))) == ()


# text | specimen | analytes
NAMES = """
Absolute lymphocyte count        |          | alc
淋巴细胞绝对值                   |          | alc
Lymphocytes %                    |          |
中性粒细胞绝对值                 |          | anc
血红蛋白                         |          | hemoglobin
Hemoglobin A1c                   |          |
Mean corpuscular hemoglobin      |          |
Hgb                              | CSF      |
血小板计数                       |          | platelets
Mean platelet volume             |          |
CD19+B细胞绝对计数               |          | cd19
CD19 %                           |          |
左室射血分数                     |          | lvef
LVEF                             |          | lvef
Right ventricular ejection fraction |       |
估算肾小球滤过率                 |          | egfr
肌酐                             |          | creatinine
Creatinine                       | Urine    |
Creatinine                       | Serum    | creatinine
Creatinine clearance             |          |
谷草转氨酶                       |          | ast
谷丙转氨酶                       |          | alt
AST/ALT ratio                    |          |
last dose                        |          |
总胆红素                         |          | bilirubin_total
Direct bilirubin                 |          |
血氧饱和度                       |          | spo2
ANA                              |          | ana_titer ana_presence ana_units
抗核抗體                         |          | ana_titer ana_presence ana_units
banana                           |          |
DNA抗體                          |          | anti_dsdna_qn anti_dsdna_titer anti_dsdna_presence
抗双链DNA抗体                    |          | anti_dsdna_qn anti_dsdna_titer anti_dsdna_presence
anti-ssDNA                       |          |
抗Sm抗体                         |          | anti_sm_qn anti_sm_titer anti_sm_presence
抗SMA                            |          |
抗SmD1抗体                       |          |
CR chest                         |          |
Lymphocytes (Absolute)           |          | alc
NEUT#                            |          | anc
抗nRNP/Sm抗体                    |          | anti_sm_rnp
Smooth muscle antibody           |          |
補體C3                           |          | c3
補體C4                           |          | c4
免疫球蛋白G                      |          | igg
尿妊娠试验                       |          | hcg_urine
尿HCG                            |          | hcg_urine
血清ALT                          |          | alt
血小板PLT                        |          | platelets
血小板总数                       |          | platelets
尿ALT                            |          |
AST/ALT比值                      |          |
Urine pregnancy test             |          | hcg_urine
Pregnancy test                   |          |
Pregnancy test                   | Urine    | hcg_urine
Serum hCG                        |          | hcg_serum
WBC                              | Urine    | urine_wbc
WBC                              | Pleural fluid |
WBC                              |          | wbc
"""


@pytest.mark.parametrize("line", NAMES.strip().splitlines())
def test_a_name_in_words_is_a_whole_word_of_the_right_specimen(terminology: Terminology, line: str) -> None:
    text, specimen, analytes = (cell.strip() for cell in line.split("|"))

    assert terminology.lab_by_text(Concept((), text), specimen or None) == tuple(analytes.split())


def test_words_are_not_read_beside_a_claim_of_loinc_r34(terminology: Terminology) -> None:
    claimed = Concept((coding(LOINC, "99999-9"),), "Haemoglobin")
    local = Concept((coding("http://ehr.example.invalid/lab", "HB1"),), "Haemoglobin")

    assert terminology.lab_by_text(claimed) == ()
    assert terminology.lab_by_text(local) == ("hemoglobin",)


def test_a_recognised_code_is_not_second_guessed_by_its_words(terminology: Terminology) -> None:
    assert terminology.lab_by_text(Concept((coding(LOINC, "718-7"),), "Platelets")) == ()
