"""How far a screening has come: for somebody who watches a terminal, and for nobody else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from fhir_trial.verdict.model import Verdict

_EVERY = 10


def with_progress(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """The same verdicts, counted on standard error if it is a terminal; the count is wiped away at the end."""
    if not sys.stderr.isatty():
        yield from verdicts
        return
    try:
        for number, verdict in enumerate(verdicts, 1):
            if number % _EVERY == 1:
                _say(f"\r{number} screened")
            yield verdict
    finally:
        _say("\r\x1b[K")


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()
