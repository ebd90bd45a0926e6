"""Small verdicts and trials for the tests of the write-back."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date
from typing import Any, cast

from fhir_trial.criteria.answers import Answer, Evidence, Role, Why, met, needs_clinician, not_applicable, not_met, say, unknown
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.records.model import Issue, Origin
from fhir_trial.terminology import Terminology
from fhir_trial.trials.model import Criterion, CriterionType, Identifier, ResolvedTrial, Stage, Trial
from fhir_trial.verdict.model import Overall, Verdict

NCT = Identifier("https://clinicaltrials.gov/nctid", "NCT00000000")
RETIRED = Identifier("http://clinicaltrials.gov", "NCT00000000")


@dataclass(frozen=True, slots=True)
class Fixed:
    """A rule that reads one type."""

    reads: str = "Observation"

    def needs(self) -> Needs:
        return Needs.of(Need(self.reads))

    def answer(self, case: Any) -> Answer:
        raise NotImplementedError

    def turning_points(self, case: Any) -> Iterable[date]:
        return ()

    def in_words(self) -> str:
        return "fixed"


def criterion(name: str, reads: str = "Observation") -> Criterion:
    kind = CriterionType.INCLUSION
    return Criterion(name, kind, Stage.PRESCREENING, f"Sentence {name}", "Protocol", f"Title {name}", Fixed(reads))


def trial(**changes: Any) -> ResolvedTrial:
    plain = Trial(
        id="nct00000000",
        version="v1",
        title="A study of nothing",
        short_title="Nothing",
        source="Protocol",
        identifiers=(NCT,),
        criteria=(),
        condition=("http://example.invalid/codes", "x1", "Nothing in particular"),
        former_identifiers=(RETIRED,),
        not_evaluated=("exclusion criteria: not in the source text",),
    )
    return ResolvedTrial(replace(plain, **changes), cast("Terminology", None), UTC, {}, digest="d1")


def evidence(reference: str, version: str | None = "1") -> Evidence:
    return Evidence(Origin(reference, version), Role.DECIDES)


ANSWERS = (
    (criterion("C1", "Patient"), met(say("12 years old"), [evidence("Patient/p1")])),
    (criterion("C2", "Condition"), met(say("lupus on record"), [evidence("Condition/c1")])),
    (criterion("C3"), not_applicable(say("male"))),
    (criterion("C4"), needs_clinician(Why.JUDGEMENT, say("three classes used, response not recorded"))),
    (criterion("C7.2"), unknown(Why.NOT_RECORDED, say("no CD19 count on file"))),
    (criterion("C7.5"), met(say("142 x 10^9/L on 2026-02-27"), [evidence("Observation/o1", "3")])),
)


def verdict(overall: Overall = Overall.INDETERMINATE, patient: str = "Patient/p1", **changes: Any) -> Verdict:
    plain = Verdict(
        patient=patient,
        trial="nct00000000",
        version="v1",
        as_of=date(2026, 3, 2),
        first_dose=None,
        overall=overall,
        answers=ANSWERS,
        blockers=(),
        missing=("C7.2",),
        not_evaluated=("exclusion criteria: not in the source text",),
        settings={},
        site=None,
        data_cutoff=date(2026, 2, 27),
        issues=(),
        ends=lambda _criterion: {(): None},
    )
    return replace(plain, **changes)


def not_eligible(patient: str = "Patient/p1") -> Verdict:
    answers = ((criterion("C1"), not_met(say("4 years old"))), *ANSWERS[1:])
    return verdict(Overall.NOT_ELIGIBLE, patient, answers=answers, blockers=("C1",), missing=())


def refused(kind: str) -> Issue:
    return Issue("type-not-authorised", "warning", None, kind, "The server does not allow it.")
