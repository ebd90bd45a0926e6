"""A generated hospital in every form that JSON has: all at once gives what one patient at a time gets.

In every form: 200 patients, of whom the candidates are screened, and 20 who are all screened while every line crosses the borders
of blocks and of parts. `python -m benchmarks.same_answers --patients 2000` screens everybody of 2,000 in every form.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.chart import AS_OF
from benchmarks.comparing import TRIALS, at_once, expected_candidates, one_at_a_time, only
from benchmarks.generate import FORMS, TRUTH, Hospital, rewrite, truth_of, write_hospital
from fhir_trial import load_trial
from fhir_trial.population import blocks, folder
from fhir_trial.population.asking import Question
from fhir_trial.population.rows import Row, digest_of
from fhir_trial.trials.model import ResolvedTrial

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hospital")]


@dataclass(frozen=True)
class Screened:
    """A hospital in plain form, and everybody's rows, one patient at a time."""

    plain: Path
    rows: list[Row]

    def in_form(self, form: str, here: Path) -> Path:
        if form == "plain":
            return self.plain
        rewrite(self.plain, here, form)
        return here


@pytest.fixture(scope="module")
def trials() -> list[ResolvedTrial]:
    return [load_trial(name) for name in TRIALS]


def hospital(folder: Path, trials: list[ResolvedTrial], what: Hospital) -> Screened:
    write_hospital(folder, what)
    return Screened(folder, one_at_a_time(folder, trials)[1])


def lines_in(path: Path) -> int:
    if path.name == TRUTH:
        return 0
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).count(b"\n")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, trials: list[ResolvedTrial]) -> Screened:
    return hospital(tmp_path_factory.mktemp("large"), trials, Hospital(200, seed=7, prevalence=0.05, ballast=0.03))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, trials: list[ResolvedTrial]) -> Screened:
    return hospital(tmp_path_factory.mktemp("small"), trials, Hospital(20, seed=11, prevalence=0.3, ballast=0.05))


@pytest.mark.parametrize("form", FORMS)
def test_candidates_are_whom_the_truth_names_and_get_their_own_answers(
    form: str, large: Screened, trials: list[ResolvedTrial], tmp_path: Path
) -> None:
    here = large.in_form(form, tmp_path / form)
    expected = expected_candidates(here)

    population, rows = at_once(here, Question(trials, AS_OF, processes=2))

    assert {row.patient for row in rows} == expected
    assert digest_of(rows) == digest_of(only(expected, large.rows))
    assert population.patients == 200
    assert population.signs == {name: sum(name in known.signs for known in truth_of(here)) for name in TRIALS}


@pytest.mark.parametrize("form", FORMS)
def test_everybody_gets_their_own_answers_while_each_line_crosses_borders(
    form: str, small: Screened, trials: list[ResolvedTrial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks.blocks, "__defaults__", (301,))
    monkeypatch.setattr(folder.parts, "__defaults__", (100_003,))
    here = small.in_form(form, tmp_path / form)

    population, rows = at_once(here, Question(trials, AS_OF, everyone=True, processes=1))

    assert digest_of(rows) == digest_of(small.rows)
    assert rows == small.rows  # what was read as well
    assert population.candidates is None
    assert population.lines == sum(map(lines_in, here.glob("*.ndjson*")))


def test_everybody_of_a_larger_hospital_gets_their_own_answers(
    large: Screened, trials: list[ResolvedTrial], tmp_path: Path
) -> None:
    here = large.in_form("shuffled", tmp_path / "shuffled")

    _, rows = at_once(here, Question(trials, AS_OF, everyone=True, processes=2))

    assert digest_of(rows) == digest_of(large.rows)


@pytest.mark.parametrize("form", ["plain", "crlf", "one-file", "fifty-files", "shuffled"])
def test_lines_that_break_off_leave_the_same_gaps(form: str, trials: list[ResolvedTrial], tmp_path: Path) -> None:
    write_hospital(tmp_path / "plain", Hospital(25, seed=4, prevalence=0.3, ballast=0, broken_lines=True))
    here = Screened(tmp_path / "plain", []).in_form(form, tmp_path / form)

    report, known = one_at_a_time(here, trials)
    population, rows = at_once(here, Question(trials, AS_OF, everyone=True, processes=1))

    assert report.counts["line-unreadable"] > 0
    assert digest_of(rows) == digest_of(known)
    assert population.report.lost_types == report.lost_types
    assert population.report.counts["line-unreadable"] == report.counts["line-unreadable"]
