"""What the commands of ``fhir-trial site`` share: the open store, who acts, the audit lines around a change, and tables."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.audit import AuditAction, Step
    from fhir_trial.config import Settings
    from fhir_trial.wiring.kept import Kept

_GAP = "  "


class Line(click.ParamType[str]):
    """One readable line, not blank.

    Args:
        longest: Characters; the columns of the store decide.
    """

    name = "text"

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if not text or not text.isprintable() or len(text) > self._longest:
            self.fail(f"Expected one line of 1 to {self._longest} characters.", param, ctx)
        return text


NAME = Line(300)
TRIAL = Line(100)
PRACTICE = Line(100)
URL = Line(500)
REASON = Line(1000)

who_option: Callable[[Any], Any] = click.option("--who", type=NAME, required=True, help="Your name; it is recorded.")
why_option: Callable[[Any], Any] = click.option(
    "--why", type=REASON, required=True, help="The reason; it is recorded. Nothing of a patient."
)


def open_site() -> tuple[Kept, Settings]:
    """The store that the settings name, and the settings.

    Raises:
        UsageError: No store is set.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.wiring.kept import open_kept

    settings = read_settings()
    kept = open_kept(settings)
    if kept is None:
        raise UsageError("No store is set: set FHIR_TRIAL_DATABASE and FHIR_TRIAL_KEYS_FILE.")
    return kept, settings


class Changes:
    """Changes that one command makes, each between two lines of the audit log."""

    def __init__(self, kept: Kept, who: str) -> None:
        self._kept, self._who = kept, who
        self._request = f"cli-{secrets.token_hex(8)}"

    def begin(
        self, action: AuditAction, *, reason: str | None = None, trial: str | None = None, patient: str | None = None
    ) -> Step:
        """Records the intent; left as a context manager, how it ended.

        Args:
            reason: What is changed, and why, in a line; nothing of a patient.
            patient: Our key.

        Raises:
            AuditUnavailableError: It cannot be recorded; nothing may be changed.
        """
        from fhir_trial.audit import Actor, AuditEvent, AuditOutcome, Journal
        from fhir_trial.version import __version__
        from fhir_trial.wiring.clock import now

        event = AuditEvent(
            at=now(),
            actor=Actor(self._kept.tenant, self._who, role="admin"),
            action=action,
            outcome=AuditOutcome.BEGUN,
            patient=patient,
            trial=trial,
            software=f"fhir_trial {__version__}",
            request=self._request,
            source="cli",
            reason=reason,
        )
        return Journal(self._kept.audit, now).begin(event)


def known_trial(name: str) -> str:
    """The id of a trial that there is.

    Raises:
        UsageError: There is none, and which is the nearest; or a version was named as well.
    """
    from fhir_trial.definitions.trial_files import find_trial
    from fhir_trial.terminology import mappings_folder

    if "@" in name:
        raise UsageError("Name the trial without a version: what is recorded holds for all its versions.")
    return find_trial(name, mappings_folder()).parent.name


def tell_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Columns as wide as they must be; without a row, the head alone."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        click.echo(_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def of_trials(trial: str | None) -> str:
    """For a sentence or a table: a trial, or all."""
    return trial if trial is not None else "all trials"
