"""What Prometheus is told (OPS: requests, screenings, unknowns, errors, outbox), and that it is nothing of a patient (SEC-27)."""

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from fhir_trial.config import Settings
from fhir_trial.errors import TemporaryServerError
from fhir_trial.web import create_app
from tests.unit.web.services import FakeService
from tests.unit.web.stores import all_ports

LEAST = {"patient": "Patient/p1", "trial": "nct00000000"}


def named(name: str, *labels: str) -> tuple[str, frozenset[str]]:
    return name, frozenset(labels)


def numbers(asking: FlaskClient) -> dict[tuple[str, frozenset[str]], float]:
    """Name and values of the labels -> number; without the times at which counters began."""
    answer = asking.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return {
        named(sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.get_data(as_text=True))
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_requests_are_counted_by_the_template_of_their_route(client: FlaskClient) -> None:
    client.get("/api/trials/nct00000000")
    client.get("/api/trials/Planted")
    client.get("/Planted?name=Planted")
    client.open("/livez", method="PLANTED")

    found = numbers(client)

    assert found[named("fhir_trial_requests_total", "/api/trials/<name>", "GET", "200")] == 1
    assert found[named("fhir_trial_requests_total", "/api/trials/<name>", "GET", "404")] == 1
    assert found[named("fhir_trial_requests_total", "none", "GET", "404")] == 1
    assert found[named("fhir_trial_requests_total", "none", "other", "405")] == 1
    assert found[named("fhir_trial_request_seconds_count", "/api/trials/<name>", "GET")] == 2
    assert "planted" not in str(found).lower()


def test_screenings_and_what_they_leave_open_are_counted(client: FlaskClient) -> None:
    for _ in range(2):
        client.post("/api/screenings", json=LEAST)

    found = numbers(client)

    assert found[named("fhir_trial_screenings_total", "nct00000000", "indeterminate")] == 2
    assert found[named("fhir_trial_unknowns_total", "nct00000000", "C7.2", "not-recorded")] == 2
    assert found[named("fhir_trial_unknowns_total", "nct00000000", "C4", "judgement")] == 2


def test_errors_of_the_fhir_server_are_counted_by_kind(client: FlaskClient, service: FakeService) -> None:
    service.failure = TemporaryServerError("Patient read: no answer.")
    client.post("/api/screenings", json=LEAST)
    client.get("/readyz")
    service.failure = None
    client.get("/api/trials/unknown")

    found = numbers(client)

    assert {name: value for name, value in found.items() if name[0] == "fhir_trial_server_errors_total"} == {
        named("fhir_trial_server_errors_total", "TemporaryServerError"): 2
    }


def test_the_outbox_is_counted_by_state(service: FakeService) -> None:
    found = numbers(create_app(Settings(), service, all_ports()).test_client())

    assert (found[named("fhir_trial_outbox", "confirmed")], found[named("fhir_trial_outbox", "failed")]) == (7, 1)


def test_two_applications_do_not_share_their_numbers(service: FakeService) -> None:
    one, other = (create_app(Settings(), service).test_client() for _ in range(2))

    one.post("/api/screenings", json=LEAST)

    assert not any(name[0] == "fhir_trial_screenings_total" for name in numbers(other))


def test_decisions_that_the_server_does_not_have_are_counted_by_state(service: FakeService) -> None:
    """WB-03: so that somebody is told."""
    found = numbers(create_app(Settings(), service, all_ports()).test_client())

    assert found[named("fhir_trial_decisions_unsent", "decided")] == 2
    assert found[named("fhir_trial_decisions_unsent", "kept")] == 0
