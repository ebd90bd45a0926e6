"""What changed between two runs, and why; and how many did, for people who may not see whom."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

from fhir_trial.population.change_counts import NOT_LOOKED_AT, Turned, count_changes
from fhir_trial.population.changes import Cause, RowChange, changes
from fhir_trial.population.kept_runs import keep_run
from fhir_trial.population.rows import Row
from fhir_trial.trials.model import ResolvedTrial
from tests.unit.population.funnels import kept_run, little_trial, row

TRIAL = little_trial("I1", "I2")


DAY = date(2026, 3, 2)


def changed(
    folder: Path, before: Iterable[Row], after: Iterable[Row], now: ResolvedTrial = TRIAL, on: date = DAY
) -> list[RowChange]:
    keep_run(folder / "before", kept_run([TRIAL], as_of=DAY), list(before))
    keep_run(folder / "after", kept_run([now], as_of=on), list(after))
    return list(changes(folder / "before", folder / "after"))


def test_an_answer_on_other_data_is_changed_by_the_data(tmp_path: Path) -> None:
    (change,) = changed(tmp_path, [row(TRIAL, "Ts")], [row(TRIAL, "TT", inputs="in-2")])

    (answer,) = change.answers
    assert (answer.criterion, answer.cause) == ("I2", Cause.DATA)
    assert answer.before is not None
    assert (answer.before.outcome, answer.before.why) == ("unknown", "stale")


def test_an_answer_on_the_same_data_is_changed_by_the_clock(tmp_path: Path) -> None:
    (change,) = changed(tmp_path, [row(TRIAL, "TT")], [row(TRIAL, "Ts")], on=date(2026, 4, 2))

    assert [answer.cause for answer in change.answers] == [Cause.CLOCK]


def test_an_answer_that_a_person_gave_is_changed_by_the_person(tmp_path: Path) -> None:
    # Also the other one, on the same day and data: it is made of what the person answered.
    (change,) = changed(tmp_path, [row(TRIAL, "ss")], [row(TRIAL, "TT", people=("I2",))])

    assert [answer.cause for answer in change.answers] == [Cause.PERSON, Cause.PERSON]


def test_another_definition_is_named_whatever_else_changed(tmp_path: Path) -> None:
    redefined = replace(TRIAL, digest="another")

    (change,) = changed(tmp_path, [row(TRIAL, "TT")], [row(TRIAL, "Ts", inputs="in-2")], redefined)

    assert [answer.cause for answer in change.answers] == [Cause.DEFINITION]


def test_who_comes_and_who_goes_is_told_and_who_stays_as_they_were_is_not(tmp_path: Path) -> None:
    before = [row(TRIAL, "TT", "Patient/a"), row(TRIAL, "TT", "Patient/b")]
    after = [row(TRIAL, "TT", "Patient/b", inputs="in-2"), row(TRIAL, "FT", "Patient/c")]

    found = changed(tmp_path, before, after)

    assert [(one.patient, one.before is None, one.after is None) for one in found] == [
        ("Patient/a", False, True),
        ("Patient/c", True, False),
    ]


def test_changes_are_counted_exactly_for_whom_may_see_the_patients(tmp_path: Path) -> None:
    before = [row(TRIAL, "Ts", "Patient/a"), row(TRIAL, "Ts", "Patient/b"), row(TRIAL, "TT", "Patient/c")]
    after = [row(TRIAL, "TT", "Patient/a", inputs="in-2"), row(TRIAL, "TT", "Patient/b", inputs="in-2")]

    counts = count_changes(changed(tmp_path, before, after), exact=True)

    assert counts.overall == (
        Turned("little", "indeterminate", "potentially-eligible", "2"),
        Turned("little", "potentially-eligible", NOT_LOOKED_AT, "1"),
    )
    (answer,) = counts.answers
    assert (answer.criterion, answer.before, answer.after, answer.cause, answer.patients) == (
        "I2",
        "unknown (stale)",
        "met",
        "data",
        "2",
    )


def test_few_changes_are_not_listed_for_anybody_else(tmp_path: Path) -> None:
    # SEC-40, SEC-41: not even that there were any.
    names = [f"Patient/p{nth:02}" for nth in range(17)]
    before = [row(TRIAL, "Ts", name) for name in names] + [row(TRIAL, "TT", "Patient/q")]
    after = [row(TRIAL, "TT", name) for name in names] + [row(TRIAL, "FT", "Patient/q")]

    counts = count_changes(changed(tmp_path, before, after), exact=False)

    assert counts.overall == (Turned("little", "indeterminate", "potentially-eligible", "20"),)
    assert [answer.patients for answer in counts.answers] == ["20"]
