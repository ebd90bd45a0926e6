"""A trial as data: its criteria with the protocol's words, and all that is needed to answer them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from functools import cached_property

from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.needs import Needs
from fhir_trial.terminology import Terminology
from fhir_trial.trials.candidates import CandidateRule, Signs


class CriterionType(StrEnum):
    """An inclusion permits when met, an exclusion when not met."""

    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"


class Stage(StrEnum):
    """When a criterion can be settled (R2): from the record, or only with the person."""

    PRESCREENING = "prescreening"
    ENROLMENT = "enrolment"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One sentence of the protocol.

    Attributes:
        text: The protocol's own words.
        source: Where they stand.
        title: A few words for a table.
        counts: False where another criterion counts in its place (R2: C3.1 to C3.3 stand under C3).
        notes: How the sentence is read, and why.
        questions: What the study team has yet to settle.
    """

    id: str
    type: CriterionType
    stage: Stage
    text: str
    source: str
    title: str
    rule: Kind
    counts: bool = True
    notes: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A business identifier: ``system`` and ``value``."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A version of a trial.

    Attributes:
        id: Lower-case registry number, the name used on the command line.
        version: Version of the criteria, such as "seed1".
        condition: Coding (system, code, display) of the disease studied, or None.
        former_identifiers: Systems under which the same number is searched for too.
        candidates: Who is worth screening, where a whole population is looked through; None: everybody.
        not_evaluated: What the report must say was not looked at.
    """

    id: str
    version: str
    title: str
    short_title: str
    source: str
    identifiers: tuple[Identifier, ...]
    criteria: tuple[Criterion, ...]
    condition: tuple[str, str, str] | None = None
    former_identifiers: tuple[Identifier, ...] = ()
    not_evaluated: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    candidates: CandidateRule | None = None


@dataclass(frozen=True)
class ResolvedTrial:
    """A trial with the site's overlay and settings applied: everything that decides an answer, frozen.

    Attributes:
        settings: Every named setting and its value.
        site: Name of the site whose overlay is applied, or None.
        zone: In which zone a date-time counts on its calendar date (R37).
        digest: SHA-256 of the definition, the mappings and the settings, in hexadecimal.
        own_bases: Bases of the identifier and code systems under which our own results are known, the current one first (R40).
    """

    trial: Trial
    terminology: Terminology
    zone: tzinfo
    settings: Mapping[str, str | int]
    site: str | None = None
    digest: str = ""
    own_bases: tuple[str, ...] = ("https://example.org/fhir-trial",)
    by_id: Mapping[str, Criterion] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {criterion.id: criterion for criterion in self.trial.criteria})

    @cached_property
    def signs(self) -> Signs | None:
        """What makes a candidate, with the site's own codes; None where the trial does not say."""
        rule = self.trial.candidates
        if rule is None:
            return None
        return Signs(tuple(self.terminology.value_set(name) for name in rule.value_sets), rule.words, rule.misses)

    @cached_property
    def needs(self) -> Needs:
        """What must be fetched to answer every criterion: the one plan."""
        return Needs.union(criterion.rule.needs() for criterion in self.trial.criteria)
