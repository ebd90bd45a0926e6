"""Whether a result is above its own laboratory's normal, by number, by word, or by flag.

Rules: C3.2, C3.3; clinical units, sections 4 and 5; R23.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from fhir_trial.criteria.answers import Outcome, Why
from fhir_trial.criteria.any_positive import Said
from fhir_trial.facts.laboratory import LabResult
from fhir_trial.logic import Truth
from fhir_trial.quantities import write_number

POSITIVE_WORDS: Final = frozenset({"positive", "above", "abnormal"})
NEGATIVE_WORDS: Final = frozenset({"negative", "within", "below"})
DOUBTFUL_WORDS: Final = frozenset({"weak", "indeterminate"})


@dataclass(frozen=True, slots=True)
class AboveRange:
    """A number beside the upper ends of its own ranges.

    Attributes:
        truth: Whether it is above; UNKNOWN too when ranges disagree or there is none.
        limit: The upper ends for people; None where there is none.
        conflicting: Whether ranges that nothing tells apart give different answers.
    """

    truth: Truth
    limit: str | None
    conflicting: bool = False


def above_own_range(result: LabResult) -> AboveRange:
    """Strictly above: equal to the limit is not. A titre's "<1:10" is a cut-off, which 1:10 reaches."""
    comparable = [found for found in result.ranges if result.is_titre or not found.says_negative]
    bounds = [(found.high, found.says_negative and found.high_open) for found in comparable if found.high is not None]
    if result.possible is None or not bounds:
        return AboveRange(Truth.UNKNOWN, None)
    truths = {result.possible.at_least(high) if reaching else result.possible.above(high) for high, reaching in bounds}
    prefix, unit = ("1:", "") if result.is_titre else ("", f" {result.unit}".rstrip())
    limit = "; ".join(
        f"{'>=' if reaching else '>'} {prefix}{write_number(high)}{unit} (its own range)" for high, reaching in bounds
    )
    return AboveRange(truths.pop(), limit) if len(truths) == 1 else AboveRange(Truth.UNKNOWN, limit, conflicting=True)


def by_words(result: LabResult, *, positive: Said, limit: str | None) -> Said | None:
    """What its word says, else its flag; the two in conflict are for a clinician. None when neither says anything."""
    finding = None if result.finding == "invalid" else result.finding
    said = {word for word in (finding, result.flag) if word is not None}
    if not said or result.finding == "invalid":
        return None
    if said & DOUBTFUL_WORDS:
        return Said(Outcome.NEEDS_CLINICIAN, "reads as weak or equivocal", Why.JUDGEMENT, limit)
    if said & POSITIVE_WORDS and said & NEGATIVE_WORDS:
        return Said(Outcome.NEEDS_CLINICIAN, "is contradicted by its flag", Why.CONFLICTING, limit)
    if said & POSITIVE_WORDS:
        return replace(positive, limit=positive.limit or limit)
    return Said(Outcome.NOT_MET, "reads as negative", None, limit)
