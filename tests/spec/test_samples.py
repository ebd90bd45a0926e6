"""The sample patients: each answers as its story says, and together they show every answer that a criterion can have.

Cites VER-11, VER-13, VER-15, R12, R16, R37, DATA-15, DATA-24, DATA-38.
"""

import json
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fhir_trial import load_trial, screen
from fhir_trial.criteria.answers import Answer, Outcome, Why
from fhir_trial.verdict.model import Verdict
from scripts.build_samples import main as build_samples

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_bundles"
EXPECTED: dict[str, Any] = YAML(typ="safe").load(ROOT / "tests" / "spec" / "samples_expected.yaml")
PATIENTS: dict[str, dict[str, Any]] = EXPECTED["patients"]
SITE = "bailuhe"
CHINESE = sorted(name for name, row in PATIENTS.items() if row.get("site") == SITE)
AS_OF = date(2026, 3, 2)
LIMIT_OF_SIZE = 1_500_000


@cache
def verdicts(
    site: str | None = None, *, complete: bool = False, as_of: date = AS_OF, timezone: str | None = None
) -> dict[str, Verdict]:
    trial = load_trial("nct06789107", site=site, timezone=timezone)
    found = screen(SAMPLES, trial, as_of=as_of, complete=complete)
    return {verdict.patient.removeprefix("Patient/"): verdict for verdict in found}


def answers_of(patient: str, site: str | None = None, **more: Any) -> dict[str, Answer]:
    return {criterion.id: answer for criterion, answer in verdicts(site, **more)[patient].answers}


def as_written(answer: Answer) -> str:
    return f"{answer.outcome} {answer.why}" if answer.why else str(answer.outcome)


@cache
def shown() -> frozenset[tuple[str, str]]:
    """Every (criterion, answer) and (criterion, why) of every patient, screened as its row says."""
    all_answers = [item for name, row in PATIENTS.items() for item in answers_of(name, row.get("site")).items()]
    pairs = {(criterion, str(answer.outcome)) for criterion, answer in all_answers}
    return frozenset(pairs | {(criterion, str(answer.why)) for criterion, answer in all_answers if answer.why})


def unreachable() -> list[tuple[str, str, str]]:
    return [
        (criterion, said, row["because"])
        for row in EXPECTED["unreachable"]
        for criterion in row["criteria"]
        for said in (*row.get("answers", ()), *row.get("whys", ()))
    ]


# --- the table -----------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_file() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == PATIENTS.keys()
    assert verdicts().keys() == PATIENTS.keys()
    assert len(PATIENTS) >= 24


@pytest.mark.parametrize("patient", PATIENTS)
def test_each_patient_answers_as_the_story_says(patient: str) -> None:
    row = PATIENTS[patient]
    verdict = verdicts(row.get("site"))[patient]
    named = {criterion: said for said, ids in row.get("answers", {}).items() for criterion in ids}

    found = {criterion.id: as_written(answer) for criterion, answer in verdict.answers}

    assert found == {criterion: named.get(criterion, row["rest"]) for criterion in found}
    assert named.keys() <= found.keys()
    assert (str(verdict.overall), list(verdict.blockers)) == (row["overall"], row.get("blockers", []))


# --- together they show everything --------------------------------------------------------


def test_every_answer_and_every_why_is_shown_or_said_to_be_unreachable() -> None:
    criteria = answers_of("lina-potentially-eligible")
    everything = {(criterion, str(said)) for criterion in criteria for said in (*Outcome, *Why)}

    missing = everything - shown() - {(criterion, said) for criterion, said, _ in unreachable()}

    assert sorted(missing) == []


@pytest.mark.parametrize(("criterion", "said", "because"), unreachable(), ids=lambda value: value if " " not in value else "")
def test_what_is_said_to_be_unreachable_is_not_shown(criterion: str, said: str, because: str) -> None:
    assert criterion in answers_of("lina-potentially-eligible")
    assert said in {*map(str, Outcome), *map(str, Why)}
    assert (criterion, said) not in shown()
    assert because.endswith(".")


def test_each_overall_answer_is_shown() -> None:
    assert {row["overall"] for row in PATIENTS.values()} == {"potentially-eligible", "not-eligible", "indeterminate"}


def test_a_complete_record_without_the_treatments_is_not_resistant() -> None:
    """R12, R16: what is unreachable for C4 in a plain file."""
    assert answers_of("no-medication-taken")["C4"].outcome is Outcome.UNKNOWN
    assert answers_of("no-medication-taken", complete=True)["C4"].outcome is Outcome.NOT_MET


# patient, criterion, first day on which the answer is another one (VER-16)
TURNS = """
lina-potentially-eligible     C8.2   2026-03-07
lina-potentially-eligible     C7.1   2026-03-25
every-value-at-its-limit      C7.6a  2026-03-03
every-value-at-its-limit      C3.1   2026-03-03
every-value-at-its-limit      C5     2026-03-03
last-seen-in-november         C7.4   2026-05-17
turns-five-in-march           C1     2026-03-20
ten-menarche-not-recorded     C8.1   2027-08-08
bailuhe-low-counts            C6     2026-03-04
"""


@pytest.mark.parametrize(("patient", "criterion", "day"), [line.split() for line in TURNS.split("\n") if line])
def test_answers_hold_until_the_clock_changes_them(patient: str, criterion: str, day: str) -> None:
    site = PATIENTS[patient].get("site")
    turning = date.fromisoformat(day)

    assert verdicts(site)[patient].holds_until(criterion) == turning
    assert answers_of(patient, site, as_of=turning)[criterion].outcome is not answers_of(patient, site)[criterion].outcome


# --- the site overlay ----------------------------------------------------------------------

#: What rests on the hospital's own codes alone, where the record decides it; 左室EF值 is read by its name.
LOCAL = {
    "bailuhe-complete": [
        "C3.1",
        "C3.2",
        "C3.3",
        "C4",
        "C6",
        *(f"C7.{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9, 10, 12)),
        "C8.2",
    ],
    "bailuhe-girl-of-nine": ["C6", "C7.7", "C7.8", "C7.9", "C7.10"],
    "bailuhe-low-counts": ["C6", "C7.1", "C7.2", "C7.3", "C7.4", "C7.12"],
    "bailuhe-drawn-at-dawn": ["C6", "C7.1", "C7.3", "C7.4", "C7.5"],
    "bailuhe-before-new-analysers": [],
}


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("patient", CHINESE)
def test_without_the_overlay_local_codes_leave_open_what_they_decide_with_it(patient: str, complete: bool) -> None:
    """DATA-15, DATA-33: a local code that nobody mapped is never a wrong answer, in a record said to be complete neither."""
    known, blind = answers_of(patient, SITE, complete=complete), answers_of(patient, complete=complete)

    assert all(not known[criterion].outcome.undecided for criterion in LOCAL[patient])
    assert all(blind[criterion].outcome is Outcome.UNKNOWN for criterion in LOCAL[patient])
    assert all(one.outcome.undecided or one.outcome is known[criterion].outcome for criterion, one in blind.items())


def test_the_hospital_changes_nothing_for_others() -> None:
    """Only the zone is another, and no other sample has a time that changes its day in it."""
    for patient in PATIENTS.keys() - set(CHINESE):
        assert [as_written(one) for one in answers_of(patient, SITE).values()] == [
            as_written(one) for one in answers_of(patient).values()
        ], patient


def test_blood_drawn_at_dawn_counts_on_the_day_of_the_site() -> None:
    """R37: half past seven in Shanghai on day 28 is day 29 in UTC."""
    in_shanghai = answers_of("bailuhe-drawn-at-dawn", SITE)["C7.1"]
    in_utc = answers_of("bailuhe-drawn-at-dawn", SITE, timezone="UTC")["C7.1"]

    assert as_written(in_shanghai) == "met"
    assert as_written(in_utc) == "needs-clinician stale"


def test_limits_of_normal_are_those_of_the_day_and_the_laboratory() -> None:
    """110 U/L in December, when 35 was the limit of AST and 40 that of ALT; bilirubin by the laboratory's name."""
    found = answers_of("bailuhe-before-new-analysers", SITE, as_of=date(2026, 1, 20))

    assert [str(found[criterion].outcome) for criterion in ("C7.8", "C7.9", "C7.10")] == ["not-met", "met", "met"]
    assert found["C7.8"].evidence[0].limit == "<= 105 U/L (3 x 35, the site's table)"


# --- the files -----------------------------------------------------------------------------


def resources() -> list[tuple[str, dict[str, Any]]]:
    bundles = [(path.stem, json.loads(path.read_bytes())) for path in sorted(SAMPLES.glob("*.json"))]
    return [(name, entry["resource"]) for name, bundle in bundles for entry in bundle["entry"]]


def test_the_files_are_what_their_stories_build() -> None:
    assert build_samples(["--check"]) == 0


def test_ids_begin_with_the_story_and_are_used_once() -> None:
    named = [(name, each) for name, each in resources() if each["resourceType"] != "OperationOutcome"]
    ids = [f"{each['resourceType']}/{each['id']}" for _, each in named]

    assert all(re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", each["id"]) and each["id"].startswith(name) for name, each in named)
    # One patient is registered twice on purpose.
    assert {identity for identity in ids if ids.count(identity) > 1} == {"Patient/registered-twice"}


def test_every_patient_is_marked_as_made_up() -> None:
    patients = [each for _, each in resources() if each["resourceType"] == "Patient"]

    assert all(each["meta"]["security"][0]["code"] == "HTEST" for each in patients)


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.glob("*.json")) < LIMIT_OF_SIZE


def test_the_readme_names_each_file_with_its_answer() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in (SAMPLES / "README.md").read_text().splitlines()]
    told = {row[0].strip("`").removesuffix(".json"): row[-1] for row in rows if row[0].endswith(".json`")}

    assert told == {name: row["overall"] for name, row in PATIENTS.items()}
