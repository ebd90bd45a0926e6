"""Samples into servers that look where a reference leads, and into those that do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.errors import FatalServerError
from fhir_trial.sandbox import load_samples

Json = dict[str, Any]


class Strict:
    """A store that refuses what refers to something that is not there; in a transaction, something beside it will do."""

    def __init__(self, *, transactions: bool = True) -> None:
        self.stored: dict[str, Json] = {}
        self.bundles: list[tuple[str, int]] = []
        self._transactions = transactions

    def process(self, bundle: Json, /) -> Json:
        entries = bundle["entry"]
        self.bundles.append((bundle["type"], len(entries)))
        if bundle["type"] == "batch":
            return {"resourceType": "Bundle", "entry": [{"response": {"status": self._put(each)}} for each in entries]}
        beside = {each["request"]["url"] for each in entries}
        if not self._transactions or any(set(links(each)) - {*self.stored, *beside} for each in entries):
            raise FatalServerError("Bundle: the server answered 400.")
        self.stored |= {each["request"]["url"]: each["resource"] for each in entries}
        return {"resourceType": "Bundle", "entry": [{"response": {"status": "201 Created"}} for _ in entries]}

    def _put(self, entry: Json) -> str:
        if set(links(entry["resource"])) - set(self.stored):
            return "400 Bad Request"
        self.stored[entry["request"]["url"]] = entry["resource"]
        return "201 Created"


def links(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("reference"), str):
            yield reference
        for value in node.values():
            yield from links(value)
    elif isinstance(node, list):
        for value in node:
            yield from links(value)


def written(folder: Path, *resources: Json, name: str = "samples.json") -> Path:
    path = folder / name
    entries = [{"resource": each} for each in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}), encoding="utf-8")
    return path


def named(kind: str, identity: str, *references: str) -> Json:
    return {"resourceType": kind, "id": identity, "x": [{"reference": each} for each in references]}


CHAIN = (named("Observation", "o", "Encounter/e", "Patient/p"), named("Encounter", "e", "Patient/p"), named("Patient", "p"))
CIRCLE = (named("Encounter", "e", "Condition/c"), named("Condition", "c", "Encounter/e"))


def test_what_refers_to_something_further_down_is_sent_again_once_that_is_there(tmp_path: Path) -> None:
    server = Strict()

    report = load_samples(server, written(tmp_path, *CHAIN))

    assert report.refused == []
    assert report.loaded == {"Observation": 1, "Encounter": 1, "Patient": 1}
    assert server.bundles == [("batch", 3), ("batch", 2), ("batch", 1)]


def test_a_reference_into_another_file_is_waited_for(tmp_path: Path) -> None:
    written(tmp_path, *CHAIN[:2], name="a.json")
    written(tmp_path, CHAIN[2], name="b.json")

    assert load_samples(Strict(), tmp_path).refused == []


def test_those_that_refer_to_one_another_go_in_one_transaction(tmp_path: Path) -> None:
    server = Strict()

    report = load_samples(server, written(tmp_path, *CIRCLE))

    assert (report.refused, set(server.stored)) == ([], {"Encounter/e", "Condition/c"})
    assert server.bundles == [("batch", 2), ("transaction", 2)]


@pytest.mark.parametrize("transactions", [True, False])
def test_what_leads_nowhere_is_refused_alone_and_named(tmp_path: Path, transactions: bool) -> None:
    """WB-19."""
    server = Strict(transactions=transactions)

    report = load_samples(server, written(tmp_path, named("Observation", "o", "Patient/nobody"), *CHAIN[1:]))

    assert report.refused == ["Observation/o: the server answered 400 Bad Request."]
    assert report.loaded == {"Encounter": 1, "Patient": 1}


def test_a_server_that_takes_everything_is_sent_everything_once(tmp_path: Path) -> None:
    server = Strict()

    load_samples(server, written(tmp_path, *reversed(CHAIN)))

    assert server.bundles == [("batch", 3)]
