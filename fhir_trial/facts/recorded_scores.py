"""Totals of a score that somebody wrote down: in an Observation, a questionnaire or the words of a document.

No standard code for these totals is known, so they are found by the score's name (mappings/scores/*.yaml) in a local code or in
words, where no coding claims LOINC, SNOMED CT or RxNorm (R34). Results worked out by this project never come so far (R40).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cache, lru_cache
from typing import Final

from fhir_trial.quantities import Possible
from fhir_trial.records.model import Observation, Origin, PatientRecord, Quantity, QuestionnaireAnswer, Report, Value
from fhir_trial.terminology.concepts import Concept
from fhir_trial.terminology.scores import ScoreDefinition, ScoreItem
from fhir_trial.times import Span

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_COUNTING_ANSWERS: Final = frozenset({"completed", "amended"})
_COUNTING_REPORTS: Final = frozenset({"final", "amended", "corrected", "appended", "current", None})

_NUMBER: Final = re.compile(r"(<=|>=|<|>|≤|≥)?\s*(\d{1,3}(?:\.\d+)?)")
_PLAIN_SIGN: Final = {"≤": "<=", "≥": ">="}

#: What may stand in a text between a score's name and its number; anything else and the number is another one.
_CONNECTING: Final = re.compile(
    r"(?:[\s:=(),\-–：（），]|\b(?:classification|criteria|score|scores|scored|points|total|sum|of|on|was|is|with|for|at|a|an|the|and"
    r"|sle|systemic lupus erythematosus|fulfilled|met)\b|(?:19|20)\d\d(?:-\d\d(?:-\d\d)?)?(?!\d)"
    r"|评分|总分|得分|分值|为|分类|标准|系统性红斑狼疮|年)*",
    re.IGNORECASE,
)
_NOT_A_SCORE: Final = re.compile(r"\d|[.,]\d|\s*(?:%|-\s*\d|mg|g\b|years?|weeks?|days?|months?|岁|年|月|天)", re.IGNORECASE)
_OUT_OF: Final = re.compile(r"\s*/\s*(\d+)")
_TOTAL: Final = re.compile(r"\b(?:total|sum|score)\b|总分|得分", re.IGNORECASE)
_SUM: Final = re.compile(r"\b(?:total|sum)\b|总分", re.IGNORECASE)
_FULFILLED: Final = re.compile(r"\b(?:meets?|met|fulfil\w*|satisf(?:y|ies|ied)|yes|true)\b|符合|满足", re.IGNORECASE)
_DENIED: Final = re.compile(
    r"(?:\bnot|n't|\bnever|\bfails? to)\s+(?:\w+\s+){0,2}?(?:meet|met|fulfil\w*|satisf(?:y|ied))\b|^\s*(?:no|false)\s*$"
    r"|(?:不|未|不能)(?:符合|满足|达到)",
    re.IGNORECASE,
)
_UNSURE: Final = re.compile(
    r"\b(?:no|not|never|without|if|whether|unless|unclear|possibl[ey]|probabl[ey]|partial(?:ly)?|nearly|almost|incomplete(?:ly)?|should"
    r"|must|may|might|suspected)\b|n't\b|[?？]|可能|疑似|是否|待|部分|基本",
    re.IGNORECASE,
)
#: A sentence about a limit, not about the patient.
_HYPOTHETICAL: Final = re.compile(
    r"\b(?:require[ds]?|needed|threshold|cut-?off|or (?:more|higher|above)|inclusion|eligib\w*|target)\b|入组|要求|阈值",
    re.IGNORECASE,
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=\D)|[\n;；。！]+")


@dataclass(frozen=True, slots=True)
class RecordedTotal:
    """One recorded total, or a statement about the score.

    Attributes:
        span: Its date; None if it has no readable one.
        possible: What the total can be; None where only a statement, or nothing readable, was recorded.
        fulfilled: What it says of the score's criteria in words; None if nothing.
        exact_version: Whether the name is of just this version (SLEDAI-2K), not a relative of it (SELENA-SLEDAI).
        source: Observation, QuestionnaireResponse, DocumentReference or DiagnosticReport.
        original: As recorded; from a document the sentence alone.
        performed: Whether a performer is named.
        problem: Why it decides nothing: "not-final", "modifier", "no-value", "no-date", "implausible"; None if usable.
        issued: For ordering totals of the same day (R31).
        items: Whether it holds the items of the score rather than their total.
    """

    origin: Origin
    span: Span | None
    possible: Possible | None
    fulfilled: bool | None
    exact_version: bool
    source: str
    original: str
    performed: bool
    problem: str | None = None
    issued: datetime | None = None
    items: bool = False

    @property
    def structured(self) -> bool:
        return self.source in ("Observation", "QuestionnaireResponse")

    @property
    def order(self) -> tuple[date, datetime, datetime]:
        """Day, then ``issued``, then ``meta.lastUpdated`` (R31)."""
        return self.span.last if self.span else date.min, self.issued or _NEVER, self.origin.last_updated or _NEVER


def find_totals(record: PatientRecord, score: ScoreDefinition) -> tuple[RecordedTotal, ...]:
    """Every recorded total of the score and of its other versions, oldest first."""
    if score.names is None:
        return ()
    found = (*_in_observations(record, score), *_in_questionnaires(record, score), *_in_reports(record, score))
    return tuple(sorted(found, key=lambda total: (total.order, total.origin.reference, total.original)))


def version_named(text: str, score: ScoreDefinition) -> bool | None:
    """True for just this version, False for another one, None where the score is not named.

    Other versions are looked for first: "SELENA-SLEDAI 2K" is no SLEDAI-2K.
    """
    if score.other_names and _pattern(score.other_names).search(text):
        own = _pattern(score.names or "(?!)").search(text)
        other = _pattern(score.other_names).search(text)
        return own is not None and other is not None and own.start() <= other.start() and other.end() <= own.end()
    return True if score.names and _pattern(score.names).search(text) else None


def _in_observations(record: PatientRecord, score: ScoreDefinition) -> Iterator[RecordedTotal]:
    names = cache(lambda code: _concept_names(code, score))  # hundreds of results share a few codes
    names_an_item = cache(lambda code: _names_an_item(code.texts(), score))
    for observation in record.observations:
        exact = names(observation.code)
        if exact is None:
            continue
        item = names_an_item(observation.code)
        value = observation.value if observation.value is not None or item else _total_among(observation.siblings)
        possible, fulfilled = (None, None) if item else _read(value)
        items = item or (value is None and bool(observation.members or observation.siblings))
        yield RecordedTotal(
            observation.origin, observation.effective, possible, fulfilled, exact, "Observation", _as_recorded(value),
            observation.performed, _problem_of(observation, possible, fulfilled, score), observation.issued, items,
        )  # fmt: skip


def _in_questionnaires(record: PatientRecord, score: ScoreDefinition) -> Iterator[RecordedTotal]:
    totals: set[str] = set()
    items: dict[str, QuestionnaireAnswer] = {}
    for answer in record.answers:
        exact = _item_names(answer, score)
        if exact is None:
            if version_named(answer.questionnaire or "", score) is not None:
                items.setdefault(answer.origin.reference, answer)
            continue
        totals.add(answer.origin.reference)
        possible, fulfilled = _read(answer.value)
        problem = None if answer.status in _COUNTING_ANSWERS else "not-final"
        yield RecordedTotal(
            answer.origin, answer.authored, possible, fulfilled, exact, "QuestionnaireResponse", _as_recorded(answer.value),
            answer.performed, problem or _problem(answer.authored, possible, fulfilled, score),
        )  # fmt: skip
    for reference, answer in items.items():
        if reference not in totals and answer.status in _COUNTING_ANSWERS:
            yield _items_alone(answer, score)


def _items_alone(answer: QuestionnaireAnswer, score: ScoreDefinition) -> RecordedTotal:
    exact = version_named(answer.questionnaire or "", score) is True
    return RecordedTotal(
        answer.origin, answer.authored, None, None, exact, "QuestionnaireResponse", "items without a total", answer.performed,
        "no-value", items=True,
    )  # fmt: skip


def _in_reports(record: PatientRecord, score: ScoreDefinition) -> Iterator[RecordedTotal]:
    for report in record.reports:
        if report.unusable is None and report.status in _COUNTING_REPORTS and report.text:
            yield from _in_text(report, score)


def _in_text(report: Report, score: ScoreDefinition) -> Iterator[RecordedTotal]:
    for sentence in _SENTENCE_END.split(report.text):
        exact = version_named(sentence, score)
        if exact is None or _HYPOTHETICAL.search(sentence):
            continue
        possible = _number_after_name(sentence, score)
        fulfilled = None if possible is not None else _stated(sentence)
        if possible is None and fulfilled is None:
            continue
        yield RecordedTotal(
            report.origin, report.effective, possible, fulfilled, exact, report.kind, sentence.strip(), performed=True,
            problem=_problem(report.effective, possible, fulfilled, score), issued=report.issued,
        )  # fmt: skip


def _number_after_name(sentence: str, score: ScoreDefinition) -> Possible | None:
    names = score.names if score.other_names is None else f"(?:{score.other_names})|(?:{score.names})"
    for name in _pattern(names or "(?!)").finditer(sentence):
        start = _CONNECTING.match(sentence, name.end())
        number = _NUMBER.match(sentence, start.end() if start else name.end())
        if number is not None and not _NOT_A_SCORE.match(sentence, number.end()) and _whole_of(sentence, number.end(), score):
            return Possible.compared(_PLAIN_SIGN.get(number[1], number[1]), Fraction(number[2]))
    return None


def _whole_of(sentence: str, end: int, score: ScoreDefinition) -> bool:
    """Whether the number stands alone or out of the score's maximum ("8/105"), and is not part of a date or another ratio."""
    ratio = _OUT_OF.match(sentence, end)
    return ratio is None or int(ratio[1]) == score.maximum


def _stated(words: str) -> bool | None:
    """Whether a sentence says that the criteria are fulfilled (True) or are not (False); None where it wavers."""
    if _DENIED.search(words):
        return False
    if _UNSURE.search(words):
        return None
    return True if _FULFILLED.search(words) else None


def _read(value: Value | None) -> tuple[Possible | None, bool | None]:
    """The number and the statement in value[x]; numbers in strings strictly (R34)."""
    match value:
        case bool():
            return None, value
        case int():
            return Possible.exactly(value), None
        case Quantity(number=number, comparator=comparator) if number is not None:
            return Possible.compared(comparator, number), None
        case str():
            whole = _NUMBER.fullmatch(value.strip())
            if whole is not None:
                return Possible.compared(_PLAIN_SIGN.get(whole[1], whole[1]), Fraction(whole[2])), None
            return None, _stated(value)
        case Concept():
            return None, next((said for text in value.texts() if (said := _stated(text)) is not None), None)
        case _:
            return None, None


def _total_among(parts: tuple[Observation, ...]) -> Value | None:
    """The value of the component that is called the total."""
    return next((part.value for part in parts if any(_TOTAL.search(text) for text in part.code.texts())), None)


def _concept_names(concept: Concept, score: ScoreDefinition) -> bool | None:
    if concept.claims_a_standard():
        return None
    words = (*concept.texts(), *(coding.code for coding in concept.codings))
    said = [exact for text in words if (exact := version_named(text, score)) is not None]
    return all(said) if said else None


def _names_an_item(texts: Iterable[str], score: ScoreDefinition) -> bool:
    """Whether the words are of one item, "SLEDAI-2K: arthritis", and not of the total."""
    said = " ".join(texts)
    return not _SUM.search(said) and _item_pattern(score.items).search(said) is not None


def _item_names(answer: QuestionnaireAnswer, score: ScoreDefinition) -> bool | None:
    """An item is the total if it has the score's name, or is called total in a questionnaire of that name."""
    own = " ".join(text for text in (answer.text, *(answer.code.texts() if answer.code else ())) if text)
    exact = version_named(f"{own} {answer.link_id or ''}", score)
    if exact is None and _TOTAL.search(own):
        return version_named(answer.questionnaire or "", score)
    return exact


def _problem_of(
    observation: Observation, possible: Possible | None, fulfilled: bool | None, score: ScoreDefinition
) -> str | None:
    if observation.unusable is not None:
        return "modifier" if "modifier" in observation.unusable else "not-final"
    return _problem(observation.effective, possible, fulfilled, score)


def _problem(span: Span | None, possible: Possible | None, fulfilled: bool | None, score: ScoreDefinition) -> str | None:
    if span is None:
        return "no-date"
    if possible is None and fulfilled is None:
        return "no-value"
    top = None if score.maximum is None else Fraction(score.maximum)
    return "implausible" if possible is not None and possible.reaches_outside(Fraction(0), top) else None


def _as_recorded(value: Value | None) -> str:
    match value:
        case None:
            return ""
        case Concept():
            return next(value.texts(), "")
        case str() | bool() | int():
            return str(value)
        case _:
            return value.text


@lru_cache(maxsize=64)
def _pattern(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


@lru_cache(maxsize=64)
def _item_pattern(items: tuple[ScoreItem, ...]) -> re.Pattern[str]:
    words = {word for item in items for word in (item.id, item.descriptor) if len(word) > 3}  # "obs" and "plt" mean other things
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, sorted(words))) + r")(?!\w)", re.IGNORECASE)
