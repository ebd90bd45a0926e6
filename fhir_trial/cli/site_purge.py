"""``fhir-trial site purge``: old screenings are taken away, unless something a person did rests on them (SEC-29)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo

import click

from fhir_trial.cli.options import Day
from fhir_trial.cli.site_store import REASON, Changes, open_site, who_option
from fhir_trial.errors import UsageError


@click.command()
@click.option("--before", type=Day(), required=True, help="Screenings of this day stay, and newer ones.")
@who_option
@click.option("--why", type=REASON, help="The reason, such as the site's rule; it is recorded. Nothing of a patient.")
def purge(before: date, who: str, why: str | None) -> None:
    """Take away the screenings made before a day. They cannot be brought back.

    What a person answered, and the newest screening when somebody decided, stays for good. Backups keep what was purged.
    """
    from fhir_trial.audit import AuditAction
    from fhir_trial.wiring.clock import today

    kept, settings = open_site()
    zone = _zone(settings.timezone)
    if before > today(zone):
        raise UsageError(f"--before {before} has not come yet: it would take away screenings that are still to be made.")
    screenings = kept.screenings
    reason = f"screenings before {before}" + (f": {why}" if why else "")
    with Changes(kept, who).begin(AuditAction.PURGE, reason=reason):
        gone = screenings.purge(datetime.combine(before, time.min, zone))
    click.echo(f"Purged: {gone} {'screening' if gone == 1 else 'screenings'} from before {before}, of {kept.server}.")


def _zone(name: str | None) -> tzinfo:
    """Where a day begins: FHIR_TRIAL_TIMEZONE, by default UTC."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"Unknown time zone '{name}' in FHIR_TRIAL_TIMEZONE.") from None
