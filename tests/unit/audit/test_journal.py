"""Steps: the intent before the action, the outcome after it, and what is said when either cannot be recorded (SEC-05)."""

import pytest

from fhir_trial.audit import AuditUnavailableError, Journal, OutcomeUnrecordedError
from fhir_trial.audit.journal import PAUSES
from fhir_trial.audit.unfinished import OpenSteps
from tests.unit.audit.logs import EVENT, START, FailingLog, MovedClock


class Pauses:
    """Does not sleep."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_an_intent_stands_before_the_action_and_its_outcome_after_it_each_with_its_moment() -> None:
    """SEC-05."""
    log, clock = FailingLog(), MovedClock()

    with Journal(log, clock).begin(EVENT):
        assert log.outcomes == ["begun"]
        clock.move(7)

    assert log.outcomes == ["begun", "done"]
    assert [(event.at - START).seconds for event in log.events] == [0, 7]


def test_an_action_whose_intent_cannot_be_recorded_is_not_taken_and_not_waited_for() -> None:
    """SEC-05."""
    log, pauses, taken = FailingLog(1), Pauses(), []

    with pytest.raises(AuditUnavailableError) as caught, Journal(log, MovedClock(), pauses).begin(EVENT):
        taken.append("the action")

    assert not isinstance(caught.value, OutcomeUnrecordedError)
    assert (taken, pauses.seconds, log.tries) == ([], [], 1)


def test_an_action_that_raises_has_failed_and_its_error_goes_on() -> None:
    log = FailingLog()

    with pytest.raises(KeyError, match="the action's own"), Journal(log, MovedClock()).begin(EVENT):
        raise KeyError("the action's own")

    assert log.outcomes == ["begun", "failed"]


def test_an_outcome_is_recorded_once_and_the_first_one_stands() -> None:
    log = FailingLog()

    with Journal(log, MovedClock()).begin(EVENT) as step:
        step.failed()
        step.done()

    assert log.outcomes == ["begun", "failed"]


def test_an_outcome_is_tried_again_after_short_pauses() -> None:
    """SEC-05: the action was taken already, so it is worth some patience."""
    log, pauses = FailingLog(2, 3), Pauses()

    with Journal(log, MovedClock(), pauses).begin(EVENT):
        pass

    assert log.outcomes == ["begun", "done"]
    assert pauses.seconds == list(PAUSES[:2])


@pytest.mark.parametrize(("raises", "said"), [(False, "was taken"), (True, "was begun and failed")])
def test_an_outcome_that_cannot_be_recorded_is_said_with_the_action_that_was_taken(raises: bool, said: str) -> None:
    """SEC-05."""
    log, pauses = FailingLog(2, 3, 4, 5), Pauses()

    def act() -> None:
        with Journal(log, MovedClock(), pauses).begin(EVENT):
            if raises:
                raise KeyError("the action's own")

    with pytest.raises(OutcomeUnrecordedError) as caught:
        act()

    assert f"'create Observation' of request r-1 {said}" in caught.value.message
    assert "pt-0123456789abcdef" not in caught.value.message
    assert (log.outcomes, pauses.seconds) == (["begun"], list(PAUSES))


def test_a_defect_in_a_log_is_no_outage_of_it() -> None:
    class Defective(FailingLog):
        def record(self, event: object) -> None:
            raise TypeError("a defect")

    with pytest.raises(TypeError, match="a defect"):
        Journal(Defective(), MovedClock()).begin(EVENT)


def _lines(*lines: str) -> OpenSteps:
    """``begun 1``: outcome and request."""
    steps = OpenSteps()
    for number, line in enumerate(lines, 1):
        outcome, request = line.split()
        steps.see(number, {"outcome": outcome, "request": request, "action": "create", "at": f"at {number}"})
    return steps


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ((), []),
        (("begun 1", "done 1"), []),
        (("begun 1", "failed 1"), []),
        (("begun 1",), [1]),
        (("begun 1", "begun 2", "done 1"), [2]),
        (("begun 1", "done 1", "begun 1"), [3]),
        (("begun 1", "begun 1", "done 1"), [1]),
        (("done 1",), []),
        (("done 1", "begun 1"), [2]),
    ],
)
def test_a_step_without_outcome_is_found(lines: tuple[str, ...], left: list[int]) -> None:
    """SEC-05."""
    assert [step.number for step in _lines(*lines).left()] == left


def test_the_callers_own_open_step_is_left_out() -> None:
    steps = _lines("begun mine", "begun other")

    assert [(step.request, step.action, step.at) for step in steps.left("mine")] == [("other", "create", "at 2")]
