"""What is counted for Prometheus. Labels are route templates, trials, criteria and our own words; no patients (SEC-27)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from flask import Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fhir_trial.errors import FhirTrialError, ServerError
from fhir_trial.verdict.model import Verdict
from fhir_trial.web.service import Plugged

_KEY: Final = "fhir_trial_metrics"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The numbers of one application, in a registry of its own."""

    def __init__(self, ports: Plugged) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "fhir_trial_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "fhir_trial_request_seconds",
            "Seconds until the answer.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._screenings = Counter("fhir_trial_screenings", "Verdicts given.", ("trial", "overall"), registry=self.registry)
        self._unknowns = Counter(
            "fhir_trial_unknowns", "Undecided answers.", ("trial", "criterion", "why"), registry=self.registry
        )
        self._failures = Counter(
            "fhir_trial_server_errors",
            "Errors of the FHIR server, or of an issuer, as they reached callers.",
            ("kind",),
            registry=self.registry,
        )
        if ports.outbox is not None:
            self.registry.register(_States("fhir_trial_outbox", "Entries of the outbox by state.", ports.outbox.counts))
        if ports.decisions is not None:
            told = "Decisions that the FHIR server does not have, by state."
            self.registry.register(_States("fhir_trial_decisions_unsent", told, ports.decisions.unsent_counts))

    def answered(self, status: int, seconds: float) -> None:
        """One request, by its route's template."""
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in _METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def screened(self, verdict: Verdict) -> None:
        """One verdict, and each answer that it leaves undecided."""
        self._screenings.labels(verdict.trial, verdict.overall.value).inc()
        for criterion, answer in verdict.answers:
            if answer.why is not None:
                self._unknowns.labels(verdict.trial, criterion.id, answer.why.value).inc()

    def failed(self, error: FhirTrialError) -> None:
        """An error, if it is a server's; of one that was raised because of another, that other."""
        found = error.__cause__ if isinstance(error.__cause__, FhirTrialError) else error
        if isinstance(found, ServerError):
            self._failures.labels(type(found).__name__).inc()


class _States(Collector):
    """How many there are by state, asked for when Prometheus asks."""

    def __init__(self, name: str, told: str, counts: Callable[[], Mapping[str, int]]) -> None:
        self._name, self._told, self._counts = name, told, counts

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [self._family()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = self._family()
        for state, count in sorted(self._counts().items()):
            family.add_metric([state], count)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self._name, self._told, labels=["state"])


def install(app: Flask, ports: Plugged) -> None:
    """Counts every request."""
    app.extensions[_KEY] = numbers = Metrics(ports)

    def count(response: Response) -> Response:
        numbers.answered(response.status_code, time.perf_counter() - g.began)
        return response

    app.after_request(count)


def metrics() -> Metrics:
    """The numbers of the application that answers this request."""
    return cast(Metrics, current_app.extensions[_KEY])
