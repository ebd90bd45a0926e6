"""How often one user may ask (SEC-59)."""

import pytest
from flask.testing import FlaskClient

from fhir_trial.config import Settings
from fhir_trial.web import create_app
from fhir_trial.web.limits import WINDOW, RateLimit
from fhir_trial.web.refusals import TooManyRequestsError
from tests.unit.web.conftest import issues
from tests.unit.web.services import FakeService


class Clock:
    now = 5.0

    def __call__(self) -> float:
        return self.now


def test_one_request_too_many_is_refused_until_the_window_ends() -> None:
    clock = Clock()
    limit = RateLimit(3, clock)
    for _ in range(3):
        limit.count("u1")
    clock.now += 20.5

    with pytest.raises(TooManyRequestsError) as refused:
        limit.count("u1")
    limit.count("u2")
    clock.now = 5.0 + WINDOW
    limit.count("u1")

    assert refused.value.retry_after == 40


def test_without_a_limit_nobody_is_refused() -> None:
    limit = RateLimit(0, Clock())

    for _ in range(1000):
        limit.count("u1")


def test_users_who_are_gone_are_forgotten() -> None:
    clock = Clock()
    limit = RateLimit(1, clock)
    for number in range(10_000):
        limit.count(number)

    clock.now += WINDOW
    limit.count("new")

    assert len(limit._windows) == 1


def test_the_service_says_when_to_ask_again(service: FakeService) -> None:
    asking: FlaskClient = create_app(Settings(rate_limit=2), service).test_client()

    answers = [asking.get("/api/trials") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
    assert [issue["code"] for issue in issues(answers[2])] == ["throttled"]
    assert asking.get("/livez").status_code == 200, "whoever watches the service is not counted"
