"""What the samples are told, word for word: tests/spec/golden/.

Every sentence, every piece of evidence and every end of an answer for every sample patient, the trials in plain English, and
what they need. A change of wording or of evidence shows in the difference; ``--check`` fails if the committed files differ.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from datetime import date
from pathlib import Path

from rich.console import Console

from fhir_trial import load_trial, screen
from fhir_trial.cli.explain import explanation
from fhir_trial.contract.needs import needs_json
from fhir_trial.definitions.english import told

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "spec" / "golden"
AS_OF = date(2026, 3, 2)
SITE = "bailuhe"
FIRST = "nct06789107"
TRIALS = ("nct05471050", FIRST)
_WIDTH = 120


def built() -> dict[str, str]:
    """The files by name."""
    files = {}
    for name in TRIALS:
        trial = load_trial(name)
        files[f"{name}-in-english.txt"] = told(trial) + "\n"
        files[f"{name}-needs.json"] = json.dumps(needs_json(trial), indent=1, ensure_ascii=False) + "\n"
    files[f"{FIRST}-explained.txt"] = _explained(FIRST, None)
    files[f"{FIRST}-explained-at-{SITE}.txt"] = _explained(FIRST, SITE)
    return files


def _explained(name: str, site: str | None) -> str:
    console = Console(width=_WIDTH, file=io.StringIO(), color_system=None, highlight=False, legacy_windows=False)
    trial = load_trial(name, site=site)
    with console.capture() as captured:
        for verdict in screen(ROOT / "sample_bundles", trial, as_of=AS_OF):
            if site is None or site in verdict.patient:
                for piece in explanation(verdict):
                    console.print(piece)
                console.rule(characters="=")
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Writes the files; with ``--check``, names those that differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    checking = parser.parse_args(arguments).check
    differing = {name: text for name, text in built().items() if _committed(name) != text}
    for name, text in differing.items():
        if checking:
            print(f"{GOLDEN.name}/{name} is not what the software says now: run scripts/build_golden.py and read the difference.")
        else:
            GOLDEN.mkdir(exist_ok=True)
            (GOLDEN / name).write_text(text, encoding="utf-8")
    return 1 if checking and differing else 0


def _committed(name: str) -> str | None:
    path = GOLDEN / name
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
