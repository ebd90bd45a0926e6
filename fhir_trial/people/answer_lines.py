"""People's answers as JSON Lines: one object a line, written by hand or by a program."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn
from unicodedata import category

from fhir_trial.errors import UsageError
from fhir_trial.people.answers import GivenAnswer
from fhir_trial.people.digests import is_digest
from fhir_trial.trials.adjudication import Person, PersonsAnswer, Says

_NEEDED = ("patient", "trial", "version", "criterion", "answer", "by", "at", "evidence")
_OPTIONAL = ("reason",)
_PERSON = ("issuer", "subject")
_PERSON_OPTIONAL = ("name",)


class _Wrong(Exception):
    """What is wrong with a line; no value of it, but words of ours and names of keys."""


def read_answers(lines: Iterable[str], name: str) -> Iterator[GivenAnswer]:
    """The answer of each line; empty lines are skipped.

    Args:
        name: Of the file, for errors.

    Raises:
        UsageError: A line is not as ``docs/answers.md`` describes it; names file and line.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{name}:{number}"
            try:
                yield _given(_object(line), where)
            except _Wrong as wrong:
                raise UsageError(str(wrong), expression=where) from None


def answer_line(given: GivenAnswer) -> str:
    """The line that reads back as this answer, without its end."""
    said = given.answer
    by = {"issuer": said.by.issuer, "subject": said.by.subject} | ({"name": said.by.name} if said.by.name else {})
    told = {
        "patient": given.patient,
        "trial": given.trial,
        "version": given.version,
        "criterion": given.criterion,
        "answer": said.says.value,
        "reason": said.reason,
        "by": by,
        "at": said.at.isoformat(),
        "evidence": said.evidence,
    }
    return json.dumps(told, ensure_ascii=False)


def _object(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise _Wrong(f"Not JSON at column {error.colno}. Expected one object a line.") from None
    except ValueError:
        raise _Wrong("A number that is too long. Expected one object a line.") from None
    except RecursionError:
        raise _Wrong("Nested too deeply. Expected one object a line.") from None
    if not isinstance(found, dict):
        raise _Wrong("Expected one object a line.")
    return found


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Wrong("A key stands twice.")
    return found


def _given(told: Mapping[str, Any], where: str) -> GivenAnswer:
    _check_keys(told, _NEEDED, _OPTIONAL, "")
    patient = _text(told, "patient")
    if not ("/" in patient or ":" in patient):
        raise _Wrong("'patient' is no reference. Expected Patient/ID, or the fullUrl, as in the verdict.")
    evidence = _text(told, "evidence")
    if not is_digest(evidence):
        raise _Wrong("'evidence' is no digest. Expected what `fhir-trial explain --digests` prints beside the criterion.")
    said = PersonsAnswer(_says(told), _person(told["by"]), _at(told), evidence, _optional(told, "reason"))
    return GivenAnswer(patient, _text(told, "trial"), _text(told, "version"), _text(told, "criterion"), said, where)


def _says(told: Mapping[str, Any]) -> Says:
    try:
        return Says(_text(told, "answer"))
    except ValueError:
        raise _Wrong(f"'answer' is none of: {', '.join(Says)}.") from None


def _person(told: Any) -> Person:
    if not isinstance(told, dict):
        raise _Wrong("'by' is no object. Expected issuer and subject, and name if it is to be shown.")
    _check_keys(told, _PERSON, _PERSON_OPTIONAL, "by.")
    return Person(_text(told, "issuer", "by."), _text(told, "subject", "by."), _optional(told, "name", "by."))


def _at(told: Mapping[str, Any]) -> datetime:
    text = _text(told, "at")
    try:
        at = datetime.fromisoformat(text if "T" in text and "W" not in text else "")
    except ValueError:
        _no_time()
    return at if at.tzinfo is not None else _no_time()


def _no_time() -> NoReturn:
    raise _Wrong("'at' is no time with its zone. Expected one such as 2026-03-02T14:30:00+01:00.")


def _check_keys(told: Mapping[str, Any], needed: tuple[str, ...], optional: tuple[str, ...], under: str) -> None:
    if absent := [key for key in needed if key not in told]:
        raise _Wrong(f"Missing: {', '.join(under + key for key in absent)}.")
    if len(told) > len([key for key in (*needed, *optional) if key in told]):
        raise _Wrong(f"An unknown key. Expected: {', '.join(under + key for key in (*needed, *optional))}.")


def _text(told: Mapping[str, Any], key: str, under: str = "") -> str:
    value = told[key]
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"'{under}{key}' is no text.")
    if any(category(char) in ("Cc", "Cs") and char not in "\n\t" for char in value):
        raise _Wrong(f"'{under}{key}' holds characters that cannot be shown.")
    return value.strip()


def _optional(told: Mapping[str, Any], key: str, under: str = "") -> str | None:
    return None if told.get(key) is None else _text(told, key, under)
