"""``fhir-trial site verify-audit``, ``export-audit``, ``export-head``: what an auditor does with the audit log (SEC-01)."""

from __future__ import annotations

import getpass
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fhir_trial.cli.site_store import NAME, open_site
from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.audit import Actor
    from fhir_trial.audit.unfinished import Unfinished
    from fhir_trial.config import Settings
    from fhir_trial.store.ports import AuditOfTenant
    from fhir_trial.wiring.kept import Kept

_BROKEN = 1
_MOST_NAMED = 20


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown login"


_who = click.option("--who", type=NAME, default=_login, help="Your name; it is recorded. By default that of your login.")
_file = click.Path(dir_okay=False, path_type=Path)


@click.command("verify-audit")
@click.option("--head", metavar="NUMBER:HASH", help="An earlier end of the chain, as this command printed it.")
@click.option("--heads", type=_file, metavar="FILE", help="Earlier ends, as export-head wrote them: each line of this tenant.")
@_who
def verify_audit(head: str | None, heads: Path | None, who: str) -> int:
    """Check the audit chain, and print its end, to be kept elsewhere. Exit status 1 if a row was altered, removed or moved.

    Only an earlier end of the chain, kept where nobody can change it, shows that the whole chain was written anew.
    """
    from fhir_trial.audit.exported import Head
    from fhir_trial.audit.exporting import heads_of

    kept, _ = open_site()
    earlier = [Head.read(head)] if head is not None else []
    earlier += heads_of(heads, kept.tenant) if heads is not None else []
    found = _audit(kept).verify(_auditor(kept, who), str(uuid.uuid4()), earlier, "cli")
    _tell_unfinished(found.unfinished)
    if not found.intact:
        click.echo(f"The audit chain is broken: row {found.first_broken} {found.what}.", err=True)
        return _BROKEN
    click.echo(str(found.head))
    return 0


@click.command("export-audit")
@click.option("--from", "first", type=click.IntRange(1), metavar="N", default=1, help="Number of the first event; 1 by default.")
@click.option("--to", "last", type=click.IntRange(1), metavar="N", help="Number of the last event; by default the newest.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Events of this day (UTC) and later only.")
@click.option("--patient", metavar="KEY", help="Events about one patient only, by our key, pt-... (accounting of disclosures).")
@click.option("-o", "--output", type=_file, required=True, metavar="FILE", help="It is there once it is complete; mode 0600.")
@_who
def export_audit(first: int, last: int | None, since: datetime | None, patient: str | None, output: Path, who: str) -> int:
    """Write the audit log as FHIR AuditEvents by IHE BALP, one a line (NDJSON).

    The export is itself an event. Exit status 1 if the chain is broken: what stands there is exported all the same.
    """
    from fhir_trial.audit.exporting import write_events

    if last is not None and last < first:
        raise UsageError("--to lies before --from.")
    kept, settings = open_site()
    day = since.replace(tzinfo=UTC).isoformat() if since is not None else ""

    def wanted(line: dict[str, str]) -> bool:
        return line["at"] >= day and (patient is None or line.get("patient") == patient)

    with _audit(kept).exporting(_auditor(kept, who), str(uuid.uuid4()), first, last) as export:
        count = write_events(export.rows, output, _base(settings), wanted)
    click.echo(f"Exported: {count} events.")
    if export.broken is not None:
        click.echo(f"The audit chain is broken: row {export.broken.number} {export.broken.what}.", err=True)
        return _BROKEN
    return 0


@click.command("export-head")
@click.option("-o", "--output", type=_file, required=True, metavar="FILE", help="A line is added; mode 0600 if it is new.")
def export_head(output: Path) -> None:
    """Add a line `DATE TENANT NUMBER:HASH` with the end of the audit chain to a file, for cron; `verify-audit --heads` checks it.

    Nothing is added when the day's last line says the same. It shows no event, and is none.
    """
    from fhir_trial.audit.exported import DatedHead, Head
    from fhir_trial.audit.exporting import add_head
    from fhir_trial.store.chain import START
    from fhir_trial.wiring.clock import now

    kept, _ = open_site()
    dated = DatedHead(now().date(), kept.tenant, kept.audit.head(kept.tenant) or Head(0, START))
    click.echo(f"Added: {dated}" if add_head(output, dated) else f"There already: {dated}")


def _audit(kept: Kept) -> AuditOfTenant:
    from fhir_trial.store.ports import AuditOfTenant
    from fhir_trial.wiring.clock import now

    return AuditOfTenant(kept.engine, kept.audit, now)


def _auditor(kept: Kept, who: str) -> Actor:
    from fhir_trial.audit import Actor

    return Actor(kept.tenant, who, role="auditor")


def _base(settings: Settings) -> str:
    """Under which our code systems stand, as in what is written back."""
    from fhir_trial.definitions.sites import load_site
    from fhir_trial.terminology import load_terminology, mappings_folder
    from fhir_trial.writeback.settings import EXAMPLE_BASE

    if settings.identifier_base:
        return settings.identifier_base.rstrip("/")
    if settings.site is None:
        return EXAMPLE_BASE
    folder = mappings_folder()
    return load_site(settings.site, folder, load_terminology(folder)).own_bases[0].rstrip("/")


def _tell_unfinished(steps: tuple[Unfinished, ...]) -> None:
    """How many, and of which requests: the log and the FHIR server then tell what became of them."""
    if not steps:
        return
    click.echo(f"Begun, and without outcome: {len(steps)}. The process ended, or the step is under way now.", err=True)
    for step in steps[:_MOST_NAMED]:
        click.echo(f"  row {step.number}, {step.at}: {step.action}, request {step.request or 'unknown'}", err=True)
    if len(steps) > _MOST_NAMED:
        click.echo(f"  and {len(steps) - _MOST_NAMED} more", err=True)
