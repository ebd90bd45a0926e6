"""``python -m fhir_trial.sandbox.demo``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fhir_trial.config import samples_folder
from fhir_trial.errors import FhirTrialError
from fhir_trial.sandbox.demo.story import tell

_WIDTH = 132


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 as expected, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="demo", description="The whole path on this machine, every claim checked.")
    parser.add_argument("--keep", action="store_true", help="leave both servers running until Ctrl-C, and their folder for good")
    parser.add_argument("--samples", type=Path, help="what the FHIR server is filled with; our own samples by default")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by a script: tidy up as after Ctrl-C
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    try:
        return 0 if tell(given.samples or samples_folder(), console, keep=given.keep) else 1
    except FhirTrialError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: stopped before its end", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
