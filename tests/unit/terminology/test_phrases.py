"""Phrases that free text is searched for: R25, R26, clinical rulings C7.6b and C7.11."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_trial.terminology.phrases import clauses_of, load_phrases, phrases

ECGS = """
    normal | Normal ECG
    normal | Sinus rhythm. Normal ECG.
    normal | Normal sinus rhythm, normal ECG
    normal | ECG within normal limits
    normal | 12-lead ECG: within normal limits
    normal | Electrocardiogram is normal
    normal | Normal ECG. No ST elevation, no QT prolongation.
    normal | Normal
    normal | within normal limits.
    normal | 正常心电图
    normal | 窦性心律，正常心电图
    normal | 心电图未见明显异常
    other  | Normal sinus rhythm
    other  | ECG: normal sinus rhythm
    other  | Sinus rhythm
    other  | Abnormal ECG
    other  | Not a normal ECG
    other  | Sinus bradycardia, otherwise normal ECG
    other  | Borderline. Normal ECG
    other  | Normal ECG except for a long QT
    other  | Normal ECG but prolonged QT interval
    other  | ECG no longer normal
    other  | Previous ECG was normal
    other  | 大致正常心电图
    other  | 异常心电图
    other  | QTc 440 ms
"""
SCANS = """
    normal | Normal chest CT
    normal | CT chest: normal
    normal | Normal CT of the chest
    normal | CT of the chest is unremarkable
    normal | No abnormality detected.
    normal | No nodule. Normal study.
    normal | Unremarkable
    normal | 胸部CT未见明显异常
    other  | Normal chest CT except for a nodule
    other  | Unremarkable CT chest. 3 mm nodule in the left lower lobe
    other  | Normal heart size
    other  | No acute cardiopulmonary process
    other  | Otherwise normal chest CT
    other  | No nodules but small effusion. Normal chest CT
    other  | Compared with the prior normal chest CT
    other  | 双肺磨玻璃影
"""
TITLES = """
    CT    | CT chest without contrast
    CT    | Chest CT
    CT    | Computed tomography of thorax
    CT    | HRCT
    CT    | CT of lungs
    CT    | 胸部CT平扫
    other | Chest X-ray
    other | XR Chest 2 views
    other | Plain radiograph of chest
    other | CXR
    none  | Chest pain
    none  | CT abdomen
    none  | Lung function test
    none  | Direct bilirubin
    none  | Chest physiotherapy
"""


def rows(table: str) -> list[tuple[str, str]]:
    lines = (line.split("|") for line in table.strip().splitlines())
    return [(said.strip(), text.strip()) for said, text in lines]


@pytest.mark.parametrize(("said", "text"), rows(ECGS))
def test_only_a_report_that_calls_the_ecg_normal_says_normal(said: str, text: str) -> None:
    assert phrases("ecg").call_normal(text) == (said == "normal")


@pytest.mark.parametrize(("said", "text"), rows(SCANS))
def test_only_a_report_that_calls_the_scan_normal_says_normal(said: str, text: str) -> None:
    assert phrases("chest-imaging").call_normal(text) == (said == "normal")


@pytest.mark.parametrize(("what", "text"), rows(TITLES))
def test_chest_imaging_is_known_by_its_title_and_a_ct_told_from_the_rest(what: str, text: str) -> None:
    topic = phrases("chest-imaging")

    assert topic.say("title", text) == (what != "none")
    assert what == "none" or topic.say("decisive", text) == (what == "CT")


def test_one_piece_that_says_otherwise_spoils_the_whole() -> None:
    assert phrases("ecg").call_normal("Normal ECG", "Sinus rhythm")
    assert phrases("ecg").call_normal("Normal", "Sinus rhythm")
    assert not phrases("ecg").call_normal("Normal ECG", "Atrial fibrillation")


def test_full_width_characters_are_read_like_others() -> None:
    assert phrases("ecg").call_normal("Ｎｏｒｍａｌ　ＥＣＧ")


def test_a_clause_ends_at_a_stop_and_before_a_turning_word_but_not_inside_a_number() -> None:
    assert clauses_of("No nodule, QT 0.44 s. Normal but slow") == ("No nodule", "QT 0.44 s", "Normal", "but slow")


def test_the_topics_are_read_from_the_mappings_folder(tmp_path: Path) -> None:
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "phrases.json").write_text('{"colour": {"red": ["crimson", "scarlet"]}}')

    colours = load_phrases(tmp_path)["colour"]

    assert colours.say("red", "a Scarlet letter")
    assert not colours.say("red", "a blue one")
