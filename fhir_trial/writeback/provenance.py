"""Where an eligibility Observation came from: the software, the rules, and each datum with its version (WB-10).

Without verifier: nobody has vouched for it. Source: FHIR R4 and R5 Provenance.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from fhir_trial.criteria.answers import Answer
from fhir_trial.transport import Json
from fhir_trial.verdict.model import Verdict
from fhir_trial.writeback.codes import DATA_OPERATION, PARTICIPANT_TYPE, Release
from fhir_trial.writeback.identifiers import run_system
from fhir_trial.writeback.observation import Run, is_local

_RULES = {Release.R4: "derivation", Release.R5: "instantiates"}


def provenance(verdict: Verdict, run: Run, release: Release) -> Json:
    """The Provenance of the run's Observation, which is named by its identifier until it has an id (see ``aimed_at``)."""
    instant = issued_now(run.now)
    sources = dict.fromkeys(line for _, answer in verdict.answers for line in _sources(answer))
    rules = {"system": f"{run.base}/criteria-version", "value": f"{run.study_name}-{verdict.version}"}
    return {
        "resourceType": "Provenance",
        "target": [{"type": "Observation", "identifier": {"system": run_system(run.base), "value": run.identifier}}],
        "occurredDateTime": instant,
        "recorded": instant,
        "activity": {"coding": [{"system": DATA_OPERATION, "code": "CREATE"}]},
        "agent": [{"type": {"coding": [{"system": PARTICIPANT_TYPE, "code": "assembler"}]}, "who": {"display": run.software}}],
        "entity": [
            *({"role": "source", "what": {"reference": reference}} for reference in sources),
            {"role": _RULES[release], "what": {"identifier": rules}},
        ],
    }


def aimed_at(body: Json, target: str) -> Json:
    """The same, naming the Observation by ``Observation/id`` (or, within a transaction, by its urn:uuid)."""
    return {**body, "target": [{"reference": target}]}


def issued_now(now: datetime) -> str:
    """An instant in UTC, to the second."""
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _sources(answer: Answer) -> Iterator[str]:
    for item in answer.evidence:
        if is_local(item.origin.reference):
            yield f"{item.origin.reference}/_history/{item.origin.version}" if item.origin.version else item.origin.reference
    for _, part in answer.parts:
        yield from _sources(part)
