"""A disease diagnosed by classification criteria: an entry test, weighted items, and a clinician who attributes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Final

from fhir_trial.criteria.answers import Answer, Evidence, Role, Sentence, Why, met, needs_clinician, not_met, say, unknown
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.disease_evidence import DiseaseEvidence, codes_of, days_of, ends_of, entry_tests, said, split, statements
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.score_evidence import items_as_evidence, items_in_words
from fhir_trial.criteria.showing import show_condition, show_result, unless_overturned
from fhir_trial.facts.recorded_scores import RecordedTotal
from fhir_trial.logic import Truth
from fhir_trial.scores.bounds import ScoreBounds
from fhir_trial.scores.eular_acr import classify, entry_truth, eular_acr_bounds
from fhir_trial.times import age_in_years

_CODED: Final = ("Condition", "Encounter")
_WRITTEN: Final = ("Observation", "QuestionnaireResponse", "DiagnosticReport", "DocumentReference")


@dataclass(frozen=True, slots=True)
class ClassifiedDisease:
    """The disease is diagnosed by named classification criteria.

    As protocols put it: "Diagnosed with SLE based on the 2019 EULAR/ACR classification criteria".

    Only a recorded classification decides, in remission too (R20). Codes, laboratory items and words are for a clinician: rash,
    arthritis and effusions are not coded, and attribution never is. Nothing on file is unknown, never not met.

    Attributes:
        disease: Value set of the diagnosis; its words are looked for in notes and reports.
        called: The disease for people.
        score: A name in mappings/scores/; title: the criteria for people.
        cutoff: Points from which the criteria are fulfilled.
        entry_tests: Analytes of the entry test; entry_titre: the titre's denominator from which one is positive.
        entry_called: The entry test for people, such as "ANA test".
        broader, drug_induced, skin_limited, overlap: Value sets that alone ask for a clinician, or None.
        specialties: Services whose single claim establishes the diagnosis.
        child_cutoff: A cut-off proposed for children, told to the reviewer, or None.
        part_ids: Ids of the parts: diagnosis, entry test, score, clinical item.
    """

    disease: str
    called: str
    score: str
    title: str
    cutoff: int
    entry_tests: tuple[str, ...]
    entry_titre: int = 80
    entry_called: str = "entry test"
    broader: str | None = None
    drug_induced: str | None = None
    skin_limited: str | None = None
    overlap: str | None = None
    specialties: tuple[str, ...] = ()
    child_cutoff: int | None = None
    part_ids: tuple[str, ...] = ("diagnosis", "entry", "score", "clinical")

    def __post_init__(self) -> None:
        if len(self.part_ids) != 4:
            raise ValueError("Expected four part ids: diagnosis, entry test, score and clinical item.")
        if self.cutoff < 1 or self.entry_titre < 1:
            raise ValueError("The cut-off and the titre of the entry test must be at least 1.")

    def needs(self) -> Needs:
        sets = (self.disease, *self._near_sets())
        return Needs.of(
            Need("Condition", value_sets=sets),
            Need("Encounter", value_sets=sets),
            Need("Observation", self.entry_tests, categories=("laboratory", "survey", "exam", "vital-signs")),
            *(Need(name) for name in _WRITTEN[1:]),
        )

    def in_words(self) -> str:
        return (
            f"A clinician recorded that the {self.title} are fulfilled, or a score of {self.cutoff} or more, and nothing on file "
            f"contradicts it. A diagnosis of {self.called}, the {self.entry_called} (1:{self.entry_titre}) and points counted "
            "from data need a clinician."
        )

    def turning_points(self, case: Case) -> Iterable[date]:
        for name in (self.disease, *self._near_sets()):
            yield from days_of((*case.facts.conditions(name), *case.facts.conclusions(name)))
        yield from days_of(case.facts.mentions(self.disease))
        dated = [total.span for total in case.facts.totals(self.score)]
        dated += [result.span for analyte in self.entry_tests for result in case.facts.results(analyte)]
        yield from (span.first for span in dated if span is not None)

    def answer(self, case: Case) -> Answer:
        known = self._gather(case)
        bounds = eular_acr_bounds(case.facts.terminology.score(self.score), case.facts, case.as_of)
        answer = (
            self._by_statement(known)
            or self._by_code(case, known, bounds)
            or self._by_words(known)
            or self._by_absence(case, known)
        )
        return replace(
            answer, reason=self._for_children(case, answer.reason), parts=self._parts(case, known, bounds), facts=bounds
        )

    def _gather(self, case: Case) -> DiseaseEvidence:
        codes = codes_of(case, self.disease)
        sure, doubtful = split(codes, self.specialties)
        fulfilled, short, denied = statements(case.facts.totals(self.score), self.cutoff, case.as_of)
        tests = entry_tests(case, self.entry_tests)
        return DiseaseEvidence(
            sure=sure,
            doubtful=doubtful,
            refuted=tuple(fact for fact in codes if fact.counts == "refuted"),
            unusable=tuple(fact for fact in codes if fact.counts == "unusable"),
            words=tuple(fact for fact in codes if fact.counts == "unstructured"),
            near={name: said(codes_of(case, name)) for name in self._near_sets()},
            mentions=tuple(
                mention
                for mention in case.facts.mentions(self.disease)
                if mention.when is None or mention.when.first <= case.as_of
            ),
            fulfilled=fulfilled,
            short=short,
            denied=denied,
            entry=entry_truth(tests, Fraction(self.entry_titre)),
            entry_results=tests,
        )

    # --- what a clinician recorded

    def _by_statement(self, known: DiseaseEvidence) -> Answer | None:
        if not (known.fulfilled or known.short or known.denied):
            return None
        contrary = self._contradictions(known)
        evidence = [_statement(total, Role.DECIDES) for total in known.fulfilled]
        evidence += [_statement(total, Role.AGAINST) for total in (*known.short, *known.denied)]
        told = {"title": self.title, "cutoff": self.cutoff, "contrary": contrary}
        if known.fulfilled and not contrary:  # R20, also in remission
            told |= {"said": known.fulfilled[-1].original.rstrip("."), "on": known.fulfilled[-1].span}
            return met(say("The {title} are recorded as fulfilled on {on}: {said}.", **told), evidence + self._shown(known))
        if known.denied and not known.fulfilled:
            told |= {"said": known.denied[-1].original.rstrip("."), "on": known.denied[-1].span}
            return not_met(
                say("The {title} are recorded as not fulfilled on {on}: {said}.", **told), evidence + self._shown(known)
            )
        asked = [replace(item, role=Role.SUPPORTS) if item.role is Role.DECIDES else item for item in evidence]
        reason = say("The record contradicts itself on the {title}: {contrary}.", **told)
        return needs_clinician(Why.CONFLICTING, reason, asked + self._shown(known), next_step=self._score_it())

    def _contradictions(self, known: DiseaseEvidence) -> list[str]:
        """R20, and what else speaks against a recorded classification."""
        found = []
        if known.short:
            found.append(f"a score below {self.cutoff}")
        if known.denied:
            found.append("a statement that they are not fulfilled")
        if known.entry is Truth.FALSE:
            found.append(f"every {self.entry_called} on file below 1:{self.entry_titre}")
        if known.refuted:
            found.append("a refuted diagnosis")
        if not known.sure and self.drug_induced and known.near[self.drug_induced]:
            found.append("only a drug-induced form is coded")
        return found

    # --- codes

    def _by_code(self, case: Case, known: DiseaseEvidence, bounds: ScoreBounds) -> Answer | None:
        diagnosed = known.sure or known.doubtful
        if not diagnosed:
            return self._by_near_code(known)
        told = self._told(titre=self.entry_titre, since=diagnosed[0].when or "an unknown day")
        evidence = self._shown(known)
        if known.refuted:
            reason = say("A diagnosis of {called} is on file, and one that was refuted.", **told)
            return needs_clinician(Why.CONFLICTING, reason, evidence, next_step=say("Settle the diagnosis."))
        if known.entry is Truth.FALSE:
            reason = say("{Called} is coded, but every {entry} on file is below 1:{titre}.", **told)
            return needs_clinician(Why.CONFLICTING, reason, evidence, next_step=self._score_it())
        if not known.sure:  # R19
            reason = say("{Called} is on file only as an unconfirmed diagnosis or a single claim.", **told)
            return needs_clinician(Why.JUDGEMENT, reason, evidence, next_step=say("Confirm the diagnosis of {called}.", **told))
        if self.overlap and known.near[self.overlap]:
            reason = say("{Called} is coded beside an overlap syndrome: doubtful.", **told)
            return needs_clinician(Why.JUDGEMENT, reason, evidence, next_step=self._score_it())
        return self._by_points(case, told, evidence, known, bounds)

    def _by_points(
        self, case: Case, told: dict[str, object], evidence: list[Evidence], known: DiseaseEvidence, bounds: ScoreBounds
    ) -> Answer:
        score = case.facts.terminology.score(self.score)
        result = classify(score, bounds.ids, entry=known.entry is Truth.TRUE, cutoff=self.cutoff)
        told |= {"points": bounds.low, "items": items_in_words(bounds), "cutoff": self.cutoff}
        if result.classified:
            reason = say("{Called} is on file since {since}, the {entry} was positive, and data show up to {points} points "
                         "({items}), attribution not checked: likely.", **told)  # fmt: skip
        elif bounds.low:
            reason = say("{Called} is on file since {since}; data show up to {points} of {cutoff} points ({items}), attribution "
                         "not checked; no classification is recorded.", **told)  # fmt: skip
        else:
            reason = say("{Called} is on file since {since}; no classification by the {title} is recorded.", **told)
        return needs_clinician(Why.JUDGEMENT, reason, [*evidence, *items_as_evidence(bounds)], next_step=self._score_it())

    def _by_near_code(self, known: DiseaseEvidence) -> Answer | None:
        found = [facts[-1] for facts in known.near.values() if facts]
        if not found:
            return None
        told = self._told(found=[fact.display for fact in found])
        reason = say("{Called} is not coded, only what may be it or something else: {found}.", **told)
        step = say("Establish whether this is {called}.", **told)
        return needs_clinician(Why.JUDGEMENT, reason, self._shown(known), next_step=step)

    # --- words, or nothing

    def _by_words(self, known: DiseaseEvidence) -> Answer | None:
        if not (known.words or known.mentions):
            return None
        told = self._told(count=len(known.words) + len(known.mentions))
        reason = say("{Called} stands only in words, in {count} records; nothing is coded.", **told)
        step = say("Read the notes, and code the diagnosis if it is right.")
        return needs_clinician(Why.UNSTRUCTURED, reason, self._shown(known), next_step=step)

    def _by_absence(self, case: Case, known: DiseaseEvidence) -> Answer:
        told = self._told()
        step = say("Look for a diagnosis of {called} and its classification.", **told)
        if known.unusable:  # DATA-22
            reason = say(
                "The only record of {called} has an extension that may change its meaning and is not understood.", **told
            )
            return unknown(Why.UNUSABLE, reason, [show_condition(fact, Role.UNUSABLE) for fact in known.unusable], next_step=step)
        if known.refuted:
            evidence = [show_condition(fact, Role.DECIDES) for fact in ends_of(known.refuted)]
            answer = not_met(say("The diagnosis of {called} was refuted, and nothing else speaks for it.", **told), evidence)
            return unless_overturned(case, answer, *_CODED, *_WRITTEN)
        return unknown(case.absent(*_CODED, *_WRITTEN), say("No code and no words for {called} on file.", **told), next_step=step)

    # --- parts

    def _parts(self, case: Case, known: DiseaseEvidence, bounds: ScoreBounds) -> tuple[tuple[str, Answer], ...]:
        answers = (
            self._diagnosis(case, known),
            self._entry(case, known),
            self._points(case, known, bounds),
            self._clinical(case, known, bounds),
        )
        return tuple(zip(self.part_ids, answers, strict=True))

    def _diagnosis(self, case: Case, known: DiseaseEvidence) -> Answer:
        if known.sure and not known.refuted:
            since = known.sure[0].when or "an unknown day"
            reason = say("{Called} is on file since {since}.", **self._told(since=since))
            return met(reason, [show_condition(fact, Role.DECIDES) for fact in ends_of(known.sure)])
        nothing = ScoreBounds(0, 0, ())
        return self._by_code(case, known, nothing) or self._by_words(known) or self._by_absence(case, known)

    def _entry(self, case: Case, known: DiseaseEvidence) -> Answer:
        told = self._told(titre=self.entry_titre)
        if known.entry is Truth.TRUE:
            return met(
                say("The {entry} was positive at least once (1:{titre} or equivalent).", **told), self._tests(known, Role.DECIDES)
            )
        if known.entry is Truth.FALSE:
            answer = not_met(say("Every {entry} on file is below 1:{titre}.", **told), self._tests(known, Role.DECIDES))
            return unless_overturned(case, answer, "Observation")
        step = say("Order or look up the {entry}.", **told)
        if known.entry_results:
            reason = say("Each {entry} on file leaves open whether 1:{titre} was reached.", **told)
            return unknown(Why.UNUSABLE, reason, self._tests(known, Role.UNUSABLE), next_step=step)
        return unknown(case.absent("Observation"), say("No {entry} on file.", **told), next_step=step)

    def _points(self, case: Case, known: DiseaseEvidence, bounds: ScoreBounds) -> Answer:
        stated = self._by_statement(known)
        if stated is not None:
            return stated
        told = self._told(points=bounds.low, cutoff=self.cutoff, items=items_in_words(bounds))
        found = (
            "Data show up to {points} of {cutoff} points ({items}), attribution not checked."
            if bounds.low
            else "Data show no points."
        )
        reason = say("No score by the {title} is recorded. " + found, **told)
        if bounds.low >= self.cutoff:
            return needs_clinician(Why.JUDGEMENT, reason, items_as_evidence(bounds), next_step=self._score_it())
        return unknown(case.absent(*_WRITTEN), reason, items_as_evidence(bounds), next_step=self._score_it())

    def _clinical(self, case: Case, known: DiseaseEvidence, bounds: ScoreBounds) -> Answer:
        found = tuple(one for one in bounds.found if one.item.group == "clinical")
        only = ScoreBounds(bounds.low, bounds.high, found)
        if known.fulfilled and not self._contradictions(known):
            return met(say("Fulfilled criteria imply a clinical item."), [_statement(known.fulfilled[-1], Role.DECIDES)])
        if found:
            reason = say("Data show clinical items ({items}), attribution not checked.", items=items_in_words(only))
            return needs_clinician(Why.JUDGEMENT, reason, items_as_evidence(only), next_step=say("Confirm their attribution."))
        return unknown(
            case.absent("Observation"),
            say("No clinical item is found in data; most are never coded."),
            next_step=self._score_it(),
        )

    # --- shown beside the answer

    def _shown(self, known: DiseaseEvidence) -> list[Evidence]:
        rows = [show_condition(fact, Role.SUPPORTS) for fact in ends_of((*known.sure, *known.doubtful, *known.words))]
        rows += [show_condition(fact, Role.SHOWN) for facts in known.near.values() for fact in ends_of(facts)]
        rows += [show_condition(fact, Role.AGAINST) for fact in ends_of(known.refuted)]
        rows += [Evidence(mention.origin, Role.SUPPORTS, mention.when, mention.words) for mention in known.mentions[-3:]]
        return rows + self._tests(known, Role.AGAINST if known.entry is Truth.FALSE else Role.SUPPORTS)

    def _tests(self, known: DiseaseEvidence, role: Role) -> list[Evidence]:
        """The latest test that says what all of them together do."""
        titre = Fraction(self.entry_titre)
        telling = [result for result in known.entry_results if entry_truth([result], titre) is known.entry]
        return [replace(show_result(result, role), limit=f">= 1:{self.entry_titre}") for result in telling[-1:]]

    def _told(self, **more: object) -> dict[str, object]:
        """What most sentences name."""
        return {
            "called": self.called,
            "Called": self.called[:1].upper() + self.called[1:],
            "title": self.title,
            "entry": self.entry_called,
            **more,
        }

    def _score_it(self) -> Sentence:
        return say("Have a clinician apply the {title} and record the score.", title=self.title)

    def _for_children(self, case: Case, reason: Sentence) -> Sentence:
        birth = case.facts.person.birth
        if self.child_cutoff is None or birth is None or age_in_years(birth.first, case.as_of) >= 18:
            return reason
        return say(
            "{told} The criteria were built on adults; for children a cut-off of {proposed} has been proposed, {cutoff} is used.",
            told=reason, proposed=self.child_cutoff, cutoff=self.cutoff,
        )  # fmt: skip

    def _near_sets(self) -> Sequence[str]:
        return [name for name in (self.broader, self.drug_induced, self.skin_limited, self.overlap) if name]


def _statement(total: RecordedTotal, role: Role) -> Evidence:
    return Evidence(
        total.origin, role, total.span, total.original or None, total.possible.single if total.possible is not None else None
    )
