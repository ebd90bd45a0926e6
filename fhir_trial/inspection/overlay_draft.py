"""A site overlay to fill in: every unknown local code and unit of the sample, with how many patients have it.

Once each TO-FILL-IN is replaced, or its row taken out, the file loads as ``mappings/sites/<name>/overlay.yaml`` (docs/sites.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from fhir_trial.inspection.findings import LocalWords, UnknownCode

FILL_IN = "TO-FILL-IN"

_SECTIONS = {
    "laboratory": ("what each measures: a name of mappings/facts/laboratory.yaml", "analyte"),
    "conditions": ("in which value set each belongs: a name of mappings/value_sets", "value_set"),
    "medications": ("which ingredients each holds: names of the shipped medications", "ingredients"),
}


def overlay_draft(local: LocalWords) -> str:
    """The YAML text."""
    lines = [
        "# Draft of a site overlay. Replace every TO-FILL-IN, or take its row out: not every code is of use to a trial.",
        "# The number behind a row is how many patients of the sample have the code. Names are for readers and may stay empty.",
        f"title: {FILL_IN}",
        "time_zone: UTC  # IANA name of the hospital's zone",
    ]
    for section, (question, key) in _SECTIONS.items():
        rows = [code for code in local.codes if code.section == section]
        if rows:
            lines += ["", f"{section}:  # {question}", *(_row(code, key) for code in rows)]
    if local.units:
        lines += ["", "unit_aliases:  # for which known unit each spelling stands", *_units(local)]
    return "\n".join(lines) + "\n"


def _row(code: UnknownCode, key: str) -> str:
    answer = f"[{FILL_IN}]" if key == "ingredients" else FILL_IN
    return f'  - {{system: {_quoted(code.system)}, code: {_quoted(code.code)}, name: "", {key}: {answer}}}  # {code.patients}'


def _units(local: LocalWords) -> Iterator[str]:
    for analyte in dict.fromkeys(unit.analyte for unit in local.units):
        yield f"  {analyte}:"
        for unit in local.units:
            if unit.analyte == analyte:
                yield f"    {_quoted(unit.unit)}: {FILL_IN}  # {unit.patients}, read by {', '.join(unit.criteria)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a YAML string
