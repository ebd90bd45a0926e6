"""A reason as it may leave for another system: what a person answered, without their name and their own words.

The verdict shows people who answered, and why. A chart is read by more people than a study's team, and keeps what it was given.
"""

from __future__ import annotations

from fhir_trial.criteria.answers import Sentence
from fhir_trial.trials.adjudication import PersonsAnswer
from fhir_trial.verdict.model import Verdict


def neutral(reason: Sentence, verdict: Verdict) -> str:
    """The reason in words that are ours alone; in a composite's, which quotes those of its parts, each person's is replaced."""
    text = str(reason)
    counting = [one for one in verdict.people.values() if not one.expired]
    # A person's sentence quotes the computed one, which may quote another person's: the longest first.
    said = sorted(((str(one.answer.reason), one.given) for one in counting), key=lambda pair: len(pair[0]), reverse=True)
    for theirs, given in said:
        text = text.replace(theirs, _neutral(given))
    return text


def _neutral(given: PersonsAnswer) -> str:
    return f"A person answered {given.says} on {given.at.date()}."
