"""What a person had before them when they answered: of each criterion, what was computed and the digest of its evidence.

Small enough to be kept with a screening, so that an answer can rest on it when the verdict has long left memory (SEC-51, SEC-52).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_trial.criteria.answers import Outcome
from fhir_trial.people.digests import evidence_digest
from fhir_trial.verdict.model import Verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """A screening as far as answers rest on it.

    Attributes:
        patient: As a verdict names it: ``Patient/id``, or the fullUrl.
        version: Version of the trial's criteria.
        computed: By the id of the criterion, in the trial's order: the computed outcome, and ``evidence_digest`` of the answer.
    """

    patient: str
    trial: str
    version: str
    computed: Mapping[str, tuple[Outcome, str]]

    def as_json(self) -> dict[str, Any]:
        """An object that ``from_json`` reads back."""
        computed = [[criterion, outcome.value, digest] for criterion, (outcome, digest) in self.computed.items()]
        return {"patient": self.patient, "trial": self.trial, "version": self.version, "computed": computed}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Shown:
        """The reverse of ``as_json``; KeyError or ValueError when it is no such object."""
        computed = {criterion: (Outcome(outcome), digest) for criterion, outcome, digest in told["computed"]}
        return cls(told["patient"], told["trial"], told["version"], computed)


def shown_of(verdict: Verdict) -> Shown:
    """What this verdict shows; of a criterion that somebody answered before, still what was computed."""
    answers = ((one.id, verdict.computed(one.id)) for one, _ in verdict.answers)
    computed = {criterion: (answer.outcome, evidence_digest(answer)) for criterion, answer in answers}
    return Shown(verdict.patient, verdict.trial, verdict.version, computed)
