"""``fhir-trial hospital export``: a hospital's bulk export into a folder that ``hospital screen`` reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.cli.options import DEFAULT_TRIAL, Behalf, who_option
from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.config import Settings
    from fhir_trial.sources.exporting.asking import Asked
    from fhir_trial.sources.exporting.job import Job
    from fhir_trial.sources.search_plan import SearchPlan
    from fhir_trial.transport.exports import BulkServer

_WITH_ERRORS = 1


@click.command()
@click.option("--server", "name", required=True, metavar="URL|NAME", help="The FHIR R4 server to export from.")
@click.option("--group", metavar="ID", help="The patients of this Group.")
@click.option("--patients", is_flag=True, help="All patients of the server.")
@click.option("--system", is_flag=True, help="All that the server has of the types that the trials need.")
@click.option(
    "--folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder, beside those of earlier exports; or that of an export to go on with.",
)
@click.option(
    "--since",
    metavar="auto|TIME",
    help="Changes only: since the last complete export beside this one, where that is enough; or since a time.",
)
@click.option("--type-filters", "filtered", is_flag=True, help="Laboratory results by the codes that are known, and no others.")
@click.option("--no-references", is_flag=True, help="Do not read what the export refers to and leaves out.")
@click.option("--trial", "trials", multiple=True, default=(DEFAULT_TRIAL,), show_default=True, metavar="ID[@VERSION]")
@click.option("--site", metavar="NAME", help="Site whose local codes and settings apply; that of the settings by default.")
@click.option("--cancel", is_flag=True, help="End the export of this folder, at the server as well.")
@who_option
def export(name: str, folder: Path, site: str | None, who: str | None, cancel: bool, **asked: Any) -> int:
    """Export what the trials need of a hospital's patients by Bulk Data, or go on with an export that was stopped.

    docs/bulk.md. Exit status: 0 complete, 1 complete with errors, 2 usage, 4 trial definition invalid, 5 server unreachable or
    refused, or no basis. Whatever stopped it, run again with the same folder to go on.
    """
    from fhir_trial.config import read_settings
    from fhir_trial.definitions.trial_files import load_trial
    from fhir_trial.sources.exporting.clocks import Clock
    from fhir_trial.sources.exporting.running import Wish
    from fhir_trial.sources.exporting.running import cancel as end
    from fhir_trial.sources.exporting.running import export as carry_out
    from fhir_trial.sources.search_plan import trial_plan
    from fhir_trial.wiring.clock import now
    from fhir_trial.wiring.library import knowing_our_own

    settings = read_settings()
    names = dict.fromkeys(asked["trials"])
    resolved = [
        knowing_our_own(load_trial(each, site=site or settings.site, timezone=settings.timezone), settings) for each in names
    ]
    plans = [trial_plan(trial) for trial in resolved]
    wanted = None if cancel else _asked(settings, name, plans, asked)
    desk = Behalf(who, None).desk(settings, name)
    desk.counts_only(resolved)
    clock = Clock(now)
    with _opened(settings, name, plans, wanted, desk.halted) as server, desk.finding(resolved):
        if wanted is None:
            job = end(server, folder, clock)
        else:
            wish = Wish(asked["since"], hydrate=not asked["no_references"])
            job = carry_out(server, folder, wanted, clock, wish, lambda words: click.echo(words, err=True))
    for line in _summary(job):
        click.echo(line)
    return 0 if job.state in ("complete", "cancelled") else _WITH_ERRORS


def _asked(settings: Settings, name: str, plans: list[SearchPlan], given: dict[str, Any]) -> Asked:
    from fhir_trial.sources.exporting.asking import Level, asked_for

    levels = [level for level in Level if given[level.value]]
    if len(levels) != 1:
        raise UsageError("Of whom? Give one of --group ID, --patients and --system.")
    base = settings.server_settings(name).base
    return asked_for(plans, base, levels[0], given["group"], filtered=given["filtered"])


def _opened(
    settings: Settings, name: str, plans: list[SearchPlan], asked: Asked | None, halted: Callable[[], bool] | None
) -> BulkServer:
    from fhir_trial.transport.exports import BulkServer

    scopes = {scope for plan in plans for scope in plan.scopes()}
    if asked is not None and asked.group is not None:
        scopes.add("system/Group.rs")
    return BulkServer(settings.server_settings(name), scopes=tuple(sorted(scopes)), halted=halted)


def _summary(job: Job) -> list[str]:
    """Counts, and nothing of a patient."""
    from collections import Counter

    counts: Counter[str] = Counter()
    for file in job.files:
        if file.section == "output":
            counts[file.kind] += file.resources
    counts.update(job.hydrated)
    lines = [f"{kind}: {count}" for kind, count in sorted(counts.items())]
    lines += [f"{file.name}: {file.trouble}" for file in job.files if file.trouble]
    lines += [f"{file.name}: {file.unreadable} unreadable lines" for file in job.files if file.unreadable]
    lines += [f"{file.name}: {file.unexpected} of another type" for file in job.files if file.unexpected]
    issues = sum((Counter(file.issues) for file in job.files), Counter[str]())
    lines += [f"The server reports: {words}, {count}" for words, count in sorted(issues.items())]
    lines += [f"{kind}: {count} that others refer to were not found" for kind, count in job.unresolved.items()]
    lines += [f"Everything was asked for: {job.why_all}"] if job.why_all else []
    lines += [f"As of {job.transaction_time}"] if job.transaction_time else []
    return [*lines, f"Export: {job.state}"]
