"""Patients into any server: one transaction, so that what refers to one another arrives together.

A server that checks references refuses a resource before its target is there, and a Bundle says nothing about order.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fhir_trial.sources.documents import documents
from fhir_trial.sources.report import ReadReport
from fhir_trial.transport import FhirServer

Json = dict[str, Any]


def place_all(server: FhirServer, resources: Iterable[Json]) -> None:
    """Stores each under its own id."""
    entries = [
        {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
        for resource in resources
    ]
    server.process({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def load_file(server: FhirServer, path: Path) -> None:
    """Stores what a Bundle file holds, its resources named by ids and their references by ``Type/id``."""
    report = ReadReport()
    place_all(server, [entry.resource for document in documents([path], report) for entry in document.entries])
    assert not report.troubles
