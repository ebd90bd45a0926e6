"""A report for people who may not see patients: every count rounded, and no small one to be worked out (SEC-40, SEC-41)."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.people.small_cells import HIDDEN, shown_count
from fhir_trial.population.funnel import Funnel
from fhir_trial.population.report import Report, number, report_of
from fhir_trial.population.report_rows import HEAD, report_rows
from fhir_trial.trials.model import ResolvedTrial
from tests.unit.population.funnels import funnel_of, kept_run, little_trial, report, row, rows

TRIAL = little_trial("I1", "I2")
NO_SIGN = "not looked at"
SHOWN = re.compile(r"0|<11|[1-9][0-9]*0|about (0|[1-9][0-9]*0)")


def counts(report: Report) -> Iterator[tuple[str, str]]:
    """Every count of a report, and where it stands."""

    def walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from walk(inner, f"{path}.{key}")
        elif isinstance(value, list | tuple):
            for nth, inner in enumerate(value):
                yield from walk(inner, f"{path}[{inner['why'] if isinstance(inner, dict) and 'why' in inner else nth}]")
        elif isinstance(value, str):
            yield path, value

    words = (
        "software",
        "notice",
        "began",
        "as_of",
        ".trial",
        "version",
        "title",
        "text",
        "source",
        ".type",
        "stage",
        "definition",
    )
    whole = msgspec.to_builtins(report)
    for path, value in walk(whole, ""):
        last = path.rsplit(".", 1)[-1].split("[")[0]
        if not path.endswith(words) and last not in ("criterion", "why", "age", "sex", "not_evaluated", "misses"):
            yield path, value


@given(st.lists(st.sampled_from(["TT", "FT", "TF", "FF", "?T", "Ts", "j?", "TT+"]), max_size=60), st.integers(0, 40))
def test_every_count_of_a_rounded_report_is_rounded(answers: list[str], others: int) -> None:
    # SEC-40
    found = report(TRIAL, rows(TRIAL, *answers), patients=len(answers) + others, left_out={"line-unreadable": 3})

    for path, shown in counts(found):
        assert SHOWN.fullmatch(shown), path
    for step in found.trials[0].steps:
        assert step.fallen.startswith("about")
    assert found.trials[0].left.startswith("about")


@given(st.lists(st.sampled_from(["TT", "FT", "TF", "FF", "?T", "Ts", "j?", "TT+"]), max_size=60))
def test_an_exact_report_has_the_numbers_of_the_funnel(answers: list[str]) -> None:
    funnel = funnel_of(TRIAL, rows(TRIAL, *answers))

    found = report(TRIAL, rows(TRIAL, *answers), exact=True, patients=len(answers))

    (trial,) = found.trials
    assert [(int(step.reached), int(step.fallen)) for step in trial.steps] == [(at.reached, at.fallen) for at in funnel.at]
    assert int(trial.left) == funnel.left
    assert trial.not_looked_at == "0"
    assert sum(int(n) for band in trial.bands for n in band.patients.values()) == len(answers)


def scaled(trial: ResolvedTrial, kinds: list[Funnel], sizes: tuple[int, ...]) -> Funnel:
    """A funnel of so many patients of each kind."""
    whole = Funnel(trial)
    for unit, n in zip(kinds, sizes, strict=True):
        whole.looked_at += n
        whole.deceased += n * unit.deceased
        whole.left += n * unit.left
        for overall, one in unit.overall.items():
            whole.overall[overall] += n * one
        for key, by_overall in unit.bands.items():
            for overall, one in by_overall.items():
                whole.bands.setdefault(key, type(whole.overall)())[overall] += n * one
        for at, one_at in zip(whole.at, unit.at, strict=True):
            for name in ("reached", "fallen", "against", "only_blocker", "only_open", "only_datum"):
                setattr(at, name, getattr(at, name) + n * getattr(one_at, name))
            for why, one in one_at.open.items():
                at.open[why] += n * one
    return whole


@pytest.mark.parametrize(
    "kinds",
    [("TT", "FT", "Ts"), ("TT", "TF", "FF"), ("?T", "Ts", "??"), ("FT", "TF", "TT+"), ("j?", "jT", "TF"), ("TT", "Ts", NO_SIGN)],
    ids=" ".join,
)
def test_no_small_count_can_be_worked_out_from_a_rounded_report(kinds: tuple[str, ...]) -> None:
    # SEC-41: every population of up to 14 patients of each of three kinds; whoever sees the report and knows which kinds there
    # are finds at least two populations behind it, with different numbers, for each count that is hidden.
    units = [funnel_of(TRIAL, rows(TRIAL, *([kind] if kind != NO_SIGN else []))) for kind in kinds]
    behind: dict[bytes, list[Report]] = defaultdict(list)
    for sizes in product(range(15), repeat=len(kinds)):
        funnel = scaled(TRIAL, units, sizes)
        signs = {"candidates": funnel.looked_at, "signs": {"little": funnel.looked_at}} if NO_SIGN in kinds else {}
        run = kept_run([TRIAL], patients=sum(sizes), **signs)
        shown = report_of(run, [funnel], exact=False)
        behind[msgspec.json.encode(shown)].append(report_of(run, [funnel], exact=True))

    for encoded, exact in behind.items():
        hidden = [path for path, shown in counts(msgspec.json.decode(encoded, type=Report)) if shown == HIDDEN]
        true = [dict(counts(one)) for one in exact]
        for path in hidden:
            possible = {one.get(path, "0") for one in true}
            assert len(possible) > 1 or possible == {"0"}, (path, encoded)  # that there is nobody may be known


def test_of_many_parts_of_a_whole_none_is_told_apart_from_nobody() -> None:
    # SEC-41: 24 criteria under a whole of "20", each "<11", would all be 1 if none could be 0.
    trial = little_trial(*(f"I{nth}" for nth in range(24)))
    alone = ["T" * nth + "F" + "T" * (23 - nth) for nth in range(23)]
    waiting = ["T" * nth + "s" + "T" * (23 - nth) for nth in range(23)]

    (found,) = report(trial, rows(trial, *alone, *waiting)).trials

    assert {step.only_blocker for step in found.steps} == {HIDDEN}
    assert {step.only_open for step in found.steps} == {HIDDEN}
    assert {step.only_datum for step in found.steps} == {HIDDEN}


def test_groups_by_age_are_listed_only_where_a_count_is_shown() -> None:
    # SEC-40
    many = [row(TRIAL, "TT", f"Patient/m{nth}") for nth in range(12)]
    few = [row(TRIAL, "TT", f"Patient/f{nth}", sex="male") for nth in range(3)]
    one_open = [row(TRIAL, "Ts", "Patient/o")]

    (found,) = report(TRIAL, [*many, *few, *one_open]).trials

    (band,) = found.bands
    assert (band.age, band.sex) == ("18-39", "female")
    assert dict(band.patients) == {"potentially-eligible": "10", "not-eligible": HIDDEN, "indeterminate": HIDDEN}


def test_reasons_are_in_an_order_that_tells_nothing_of_hidden_counts() -> None:
    # SEC-41
    more_stale = report(TRIAL, rows(TRIAL, *["Ts"] * 9, "T?")).trials[0].steps[1]
    more_missing = report(TRIAL, rows(TRIAL, *["T?"] * 9, "Ts")).trials[0].steps[1]

    assert more_stale.open == more_missing.open


def test_who_shows_no_sign_is_worked_out_from_what_is_shown() -> None:
    exact = report(TRIAL, rows(TRIAL, *["TT"] * 7), exact=True, patients=2000, candidates=7, signs={"little": 7}).trials[0]
    rounded = report(TRIAL, rows(TRIAL, *["TT"] * 7), patients=2000, candidates=7, signs={"little": 7}).trials[0]

    assert (exact.signs, exact.not_looked_at) == ("7", "1993")
    assert (rounded.signs, rounded.not_looked_at) == ("about 10", "about 2000")


def test_a_sum_is_worked_out_from_its_rounded_parts_and_never_rounded_itself() -> None:
    # SEC-41: 14 and 14 are 28, which would be "30"; what is shown adds up to 20.
    found = report(TRIAL, rows(TRIAL, *["TT"] * 14, *["FT"] * 14), patients=28)
    signed = report(TRIAL, rows(TRIAL, *["TT"] * 14, *["FT"] * 14), patients=500, candidates=28, signs={"little": 28})

    assert found.patients == "about 20"
    assert found.trials[0].left == "about 10"
    assert (signed.patients, signed.trials[0].signs, signed.trials[0].not_looked_at) == ("500", "about 20", "about 480")


@pytest.mark.parametrize(("n", "size"), [(0, 0), (3, 5), (14, 10), (15, 20)])
def test_a_shown_count_has_a_size_for_a_picture(n: int, size: int) -> None:
    assert number(shown_count(n, exact=False)) == size
    assert number(f"about {size}") == size


def test_a_report_as_rows_says_of_each_count_what_it_counts() -> None:
    head, *lines = report_rows(report(TRIAL, rows(TRIAL, "TT", "FT", "Ts"), exact=True))

    assert head == HEAD
    measured = {(line[3], line[4], line[6]): line[7] for line in lines}
    assert measured["export", "", "patients"] == "100"
    assert measured["overall", "", "not-eligible"] == "1"
    assert measured["in-order", "I2", "reached"] == "2"
    assert measured["in-order", "", "left"] == "2"
    assert measured["any-order", "I2", "open: stale"] == "1"
    assert measured["any-order", "I1", "only-blocker"] == "1"
    assert measured["any-order", "I2", "only-open"] == "1"
