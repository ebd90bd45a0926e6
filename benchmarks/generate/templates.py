"""Resources that are written once as JSON, and then only filled in: a hundred thousand a second."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec

Resource = dict[str, Any]

CHART: Final[Resource] = json.loads(Path(__file__).parent.with_name("chart.json").read_text(encoding="utf-8"))
HOSPITAL: Final[Resource] = json.loads(Path(__file__).parent.with_name("hospital.json").read_text(encoding="utf-8"))

_NUMBER: Final = re.compile(rb'"#(\w+)#"')
_TEXT: Final = re.compile(rb"@(\w+)@")


class Template:
    """Lines of NDJSON with gaps.

    Args:
        resources: In them, a text ``@name@`` is a gap within a string, ``#name#`` alone in a string stands for a number.
    """

    def __init__(self, *resources: Resource) -> None:
        raw = b"".join(msgspec.json.encode(resource) + b"\n" for resource in resources).replace(b"%", b"%%")
        self._raw = _TEXT.sub(rb"%(\1)b", _NUMBER.sub(rb"%(\1)b", raw))

    def fill(self, gaps: dict[bytes, bytes]) -> bytes:
        """The lines, each with its end."""
        return self._raw % gaps


def meta(profile: str) -> Resource:
    """As servers write it; its version and its day are gaps."""
    return {
        "versionId": "@version@",
        "lastUpdated": "@day@T18:00:0@version@.000Z",
        "source": "https://ehr.example.invalid/interface#9f2e",
        "profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/{profile}"],
    }


def coded(system: str, code: str) -> Resource:
    """A concept of one coding."""
    return {"coding": [{"system": system, "code": code}]}


def narrative(*words: str) -> Resource:
    """Text as servers generate it."""
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{" / ".join(words)}</p></div>'}
