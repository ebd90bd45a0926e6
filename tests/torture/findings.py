"""What stands on the server and in the store afterwards, and what is wrong with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir_trial.store import StoreOutbox, open_store, read_keyring, verify
from fhir_trial.store.tables import AuditRow, OutboxRow
from fhir_trial.transport import FhirServer, encode_json
from fhir_trial.writeback.outbox import IntentState
from tests.torture.work import TENANT, Work

Json = dict[str, Any]

KINDS = ("ResearchStudy", "ResearchSubject", "Observation", "Provenance")
_MOMENTS = ("issued", "occurredDateTime", "recorded")
_CODE = "eligibility-screening"


@dataclass(frozen=True, slots=True)
class Found:
    """What we wrote, as the server shows it.

    Attributes:
        resources: ``Type/id`` -> resource.
    """

    resources: dict[str, Json]

    @property
    def versions(self) -> dict[str, str]:
        return {name: each["meta"]["versionId"] for name, each in self.resources.items()}

    @property
    def counts(self) -> Counter[str]:
        return Counter(name.split("/")[0] for name in self.resources)

    def contents(self) -> Counter[str]:
        """Each resource without what server and clock gave it, and with its version: equal for runs that wrote the same."""
        names = {name: _named(resource) for name, resource in self.resources.items()}
        return Counter(_content(resource, names) for resource in self.resources.values())


def found_on(server: FhirServer) -> Found:
    """All that is ours; the sample patients have no studies, subjects and provenances of their own."""
    resources = [each for kind in KINDS if kind != "Observation" for each in server.search(kind, []).matches]
    resources += [each for each in server.search("Observation", []).matches if _is_result(each)]
    return Found({f"{each['resourceType']}/{each['id']}": each for each in resources})


def wrong(work: Work, reference: Found, restarted: Found, again: Found) -> list[str]:
    """One sentence for each thing that is not as in an undisturbed run.

    Args:
        reference: After an undisturbed run.
        restarted: After the process was killed, and another ran to its end.
        again: After one more run.
    """
    return [
        *other_contents(reference, restarted),
        *written_by_the_last_run(restarted, again),
        *_in_the_store(work, again),
    ]


def other_contents(reference: Found, restarted: Found) -> Iterator[str]:
    wanted, there = reference.contents(), restarted.contents()
    if wanted == there:
        return
    yield f"The server holds {dict(restarted.counts)}, wanted {dict(reference.counts)}."
    for said, difference in (("Missing", wanted - there), ("Too much", there - wanted)):
        for content, times in difference.items():
            yield f"{said} ({times}): {content[:300]}"


def written_by_the_last_run(restarted: Found, again: Found) -> Iterator[str]:
    for name in sorted({*restarted.resources, *again.resources}):
        before, after = restarted.versions.get(name), again.versions.get(name)
        if before != after:
            yield f"The last run, which had nothing to do, moved a {name.split('/')[0]} from version {before} to {after}."


def _in_the_store(work: Work, again: Found) -> Iterator[str]:
    engine = open_store(work.database)
    try:
        counts = StoreOutbox(engine, read_keyring(Path(work.keys_file))).counts(TENANT)
        still_open = {state: counts[state] for state in IntentState if state.is_open and counts[state]}
        if still_open:
            yield f"Intents are left open: {still_open}."
        broken = verify(engine, TENANT)
        if broken is not None:
            yield f"The audit chain: row {broken.number} {broken.what}."
        with Session(engine) as session:
            lines = [json.loads(line) for line in session.scalars(select(AuditRow.line))]
            rows = session.execute(select(OutboxRow.reference, OutboxRow.version, OutboxRow.state)).all()
        yield from _not_told(work, lines, again)
        yield from _not_known(work, {(reference, version) for reference, version, state in rows if state == "confirmed"}, again)
    finally:
        engine.dispose()


def _not_told(work: Work, lines: list[dict[str, str]], again: Found) -> Iterator[str]:
    """Each write was told to the audit before it left (SEC-05); the service is what tells it."""
    if work.shown is not None:
        return
    begun = Counter(line["target"] for line in lines if line["action"] in ("create", "update") and line["outcome"] == "begun")
    written = Counter(dict.fromkeys(KINDS, 0))
    for name, version in again.versions.items():
        written[name.split("/")[0]] += int(version)
    yield from (f"{written[kind]} writes of {kind}, {begun[kind]} in the audit." for kind in KINDS if begun[kind] < written[kind])


def _not_known(work: Work, confirmed: set[tuple[str | None, str | None]], again: Found) -> Iterator[str]:
    """The machine knows each version that it wrote, which lets it take back its flag, and none that a person wrote (WB-01)."""
    for name, version in again.versions.items():
        known = (name, version) in confirmed
        if name.startswith("ResearchSubject/") and known is (name == work.shown):
            yield f"The subject's version {version} is {'' if known else 'not '}known as the machine's own."


def _is_result(observation: Json) -> bool:
    return any(coding.get("code") == _CODE for coding in observation["code"].get("coding", ()))


def _named(resource: Json) -> str:
    """A name that is the same on every server: by identifier."""
    identifier = resource.get("identifier", [{}])[0]
    return f"{resource['resourceType']}?identifier={identifier.get('system')}|{identifier.get('value')}"


def _content(resource: Json, names: dict[str, str]) -> str:
    """With our own references by identifier, and without id, instants and narrative."""
    kept = {key: value for key, value in resource.items() if key not in ("id", "text", *_MOMENTS)}
    tags = [{"system": tag["system"], "code": tag["code"]} for tag in resource["meta"].get("tag", ())]
    kept["meta"] = {"versionId": resource["meta"]["versionId"], "tag": tags}
    return json.dumps(_renamed(json.loads(encode_json(kept)), names), sort_keys=True)


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _renamed(value, names) for key, value in node.items()}
    if isinstance(node, list):
        return [_renamed(each, names) for each in node]
    if isinstance(node, str) and node.count("/") >= 1:
        plain = "/".join(node.split("/_history/")[0].split("/")[-2:])
        return names.get(plain, node)
    return node
