"""The application around a fake service."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from flask.testing import FlaskClient

from fhir_trial.config import Settings
from fhir_trial.web import create_app
from tests.unit.web.services import FakeService


@pytest.fixture(autouse=True)
def logs_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An application sets logging up for its process; a test gives it back."""
    monkeypatch.delenv("FLASK_DEBUG", raising=False)
    levels = {name: logging.getLogger(name).level for name in ("werkzeug", "urllib3", "requests", "fhir_trial")}
    yield
    structlog.reset_defaults()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def client(service: FakeService) -> FlaskClient:
    return create_app(Settings(allowed_hosts=("trials.example.invalid",)), service).test_client()


def issues(answer: Any) -> list[dict[str, Any]]:
    """The issues of an OperationOutcome, once it has proved to be one."""
    assert answer.content_type == "application/fhir+json"
    assert answer.json["resourceType"] == "OperationOutcome"
    found: list[dict[str, Any]] = answer.json["issue"]
    assert all(issue["severity"] == "error" and issue["details"]["text"] for issue in found)
    return found
