"""The JSON Schema of a verdict (VER-10 to VER-16): draft 2020-12, closed objects, documented property by property."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def verdict_schema() -> dict[str, Any]:
    """The schema as plain data, a new copy each time."""
    schema: dict[str, Any] = json.loads(verdict_schema_text())
    return schema


def verdict_schema_text() -> str:
    """The schema as it is shipped."""
    return files("fhir_trial.contract").joinpath("verdict.schema.json").read_text(encoding="utf-8")
