"""Options that the commands on a whole hospital share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fhir_trial.cli.options import Behalf
    from fhir_trial.wiring.hospital import HospitalDesk

Command = Callable[..., Any]


def run_argument(name: str = "run") -> Callable[[Command], Command]:
    """A folder that `hospital screen` made."""
    return click.argument(name, type=click.Path(path_type=Path, file_okay=False))


def output_option(function: Command) -> Command:
    """``--output``."""
    return click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of standard output.")(
        function
    )


def desk_of(behalf: Behalf) -> HospitalDesk:
    """Where bases, opt-outs and the audit log are asked.

    Raises:
        UsageError: As for ``open_hospital_desk``.
    """
    from fhir_trial.cli.options import os_user
    from fhir_trial.config import read_settings
    from fhir_trial.wiring.hospital import open_hospital_desk

    return open_hospital_desk(read_settings(), behalf.who or os_user(), behalf.of_server)
