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
                print(f"\r{number} screened", end="", file=sys.stderr, flush=True)
            yield verdict
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
