"""HAPI's instance validator: what a published checker of FHIR says of a resource, for the tests of what we write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.servers.java_program import JavaProgram, jar_of

#: Reading the definitions of R5 takes it a quarter of a minute on a quiet machine, and many times that on a busy one.
_ANSWERS_WITHIN = 300.0
_FILTER = Path(__file__).parent / "validator" / "filter.tsv"


@dataclass(frozen=True, slots=True)
class Issue:
    """One remark.

    Attributes:
        severity: error, warning or information.
        id: The validator's own name of the message; "JSON" for text that is none, "CRASH" where it gave up.
        location: FHIRPath.
    """

    severity: str
    id: str
    location: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity} {self.id} at {self.location}: {self.message}"


class Validator:
    """A running validator for one release of FHIR."""

    def __init__(self, program: JavaProgram) -> None:
        self._program = program

    def issues(self, resource: dict[str, Any] | str) -> list[Issue]:
        """What it says of a resource, or of text that ought to be one."""
        text = resource if isinstance(resource, str) else json.dumps(resource, ensure_ascii=False)
        self._program.tell(text.replace("\n", " "))
        return [Issue(**issue) for issue in json.loads(self._program.line())["issues"]]

    def errors(self, resource: dict[str, Any] | str) -> list[str]:
        """Its errors, in words; none for a resource that it accepts."""
        return [str(issue) for issue in self.issues(resource) if issue.severity == "error"]


@contextmanager
def running_validator(release: Literal["r4", "r5"]) -> Iterator[Validator]:
    jar = jar_of("validator", "The validator")
    with JavaProgram(jar, [release, str(_FILTER)], limit=_ANSWERS_WITHIN) as program:
        yield Validator(program)
