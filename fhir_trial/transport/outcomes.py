"""OperationOutcome: what a server says beside, or instead of, an answer.

``diagnostics`` may hold a patient's name: it is never put into an error or a log (WB-21).
Source: FHIR R4 OperationOutcome; Epic error codes as in the DATA-nn requirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

#: Epic: break-the-glass refused (4130, 4131), met (4134), more may exist than is shown (4119) (DATA-26, DATA-27).
_RESTRICTED = frozenset({"4119", "4130", "4131", "4134", "suppressed"})
#: Epic: more than 100 patients (4127), more than 100 results (59133) (DATA-10).
_CUT_SHORT = frozenset({"4127", "59133", "too-costly", "incomplete"})
#: Epic: the page's session is over (DATA-08).
_EXPIRED = frozenset({"4113"})
#: What is repeated in errors: a careless server puts words, and with them patients, where a code belongs (SEC-27).
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,39}")


@dataclass(frozen=True, slots=True)
class OutcomeIssue:
    """One issue, without its free text.

    Attributes:
        severity: fatal, error, warning, information, or "" when absent.
        codes: Its issue type and the codes of its details.
    """

    severity: str
    codes: frozenset[str]

    @property
    def is_failure(self) -> bool:
        return self.severity in ("fatal", "error")

    @property
    def says_restricted(self) -> bool:
        return bool(self.codes & _RESTRICTED)

    @property
    def says_cut_short(self) -> bool:
        return bool(self.codes & _CUT_SHORT)

    @property
    def says_expired(self) -> bool:
        return bool(self.codes & _EXPIRED)


def issues_of(resource: object) -> tuple[OutcomeIssue, ...]:
    """The issues of an OperationOutcome; none when it is something else."""
    if not isinstance(resource, dict) or resource.get("resourceType") != "OperationOutcome":
        return ()
    return tuple(_read(issue) for issue in _dicts(resource.get("issue")))


def _read(issue: dict[str, Any]) -> OutcomeIssue:
    details = issue.get("details")
    codings = _dicts(details.get("coding")) if isinstance(details, dict) else ()
    words = [issue.get("code"), *(coding.get("code") for coding in codings)]
    severity = issue.get("severity")
    return OutcomeIssue(severity if isinstance(severity, str) else "", frozenset(w for w in words if _is_code(w)))


def _is_code(word: object) -> TypeGuard[str]:
    return isinstance(word, str) and _CODE.fullmatch(word) is not None


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
