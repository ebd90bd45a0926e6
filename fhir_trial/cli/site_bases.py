"""``fhir-trial site basis``: on what the site screens for each trial (SEC-34)."""

from __future__ import annotations

from datetime import date

import click

from fhir_trial.cli.options import Day
from fhir_trial.cli.site_store import NAME, TRIAL, Changes, known_trial, open_site, tell_table, who_option, why_option
from fhir_trial.people.bases import Basis, BasisKind, check_recordable


@click.group()
def basis() -> None:
    """On what patients are screened for a trial. Without one in force nobody is."""


@basis.command()
@click.argument("trial", type=TRIAL)
@click.argument("kind", type=click.Choice([str(kind) for kind in BasisKind]))
@click.option("--reference", type=NAME, metavar="TEXT", help="Number of the board's decision, or of the agreement.")
@click.option("--from", "first_day", type=Day(), help="First day; today in the site's zone by default.")
@click.option("--until", "last_day", type=Day(), help="Last day; no end by default. A partial waiver needs one.")
@who_option
def record(trial: str, kind: str, reference: str | None, first_day: date | None, last_day: date | None, who: str) -> None:
    """Record the basis of a trial; it takes the place of the one before.

    treatment: by those who treat the patient. authorisation: the patients agreed. partial-waiver: a board waived that.
    preparatory: counts alone, no patient is named.
    """
    from fhir_trial.audit import AuditAction
    from fhir_trial.wiring.clock import now

    known = known_trial(trial)
    kept, settings = open_site()
    today = _today(known, settings.site, settings.timezone)
    wanted = Basis(known, BasisKind(kind), reference, first_day or today, last_day)
    check_recordable(wanted)
    with Changes(kept, who).begin(AuditAction.RECORD_BASIS, trial=known, reason=wanted.in_words()):
        recorded = kept.bases.record(wanted, by=who, at=now())
    click.echo(f"Recorded as number {recorded.number}: {known}, {recorded.in_words()}.")
    if recorded.first_day > today or (recorded.last_day is not None and recorded.last_day < today):
        click.echo("Note: it does not count today, and the former one counts no more: nobody is screened now.", err=True)


@basis.command()
@click.argument("trial", type=TRIAL)
@who_option
@why_option
def end(trial: str, who: str, why: str) -> None:
    """End the basis of a trial; from now on nobody is screened for it."""
    from fhir_trial.audit import AuditAction
    from fhir_trial.wiring.clock import now

    kept, _ = open_site()
    with Changes(kept, who).begin(AuditAction.END_BASIS, trial=trial.lower(), reason=why):
        ended = kept.bases.end(trial.lower(), by=who, why=why, at=now())
    click.echo(f"Ended: number {ended.number}, {ended.trial}, {ended.in_words()}.")


@basis.command(name="list")
@click.option("--all", "with_ended", is_flag=True, help="Those that were ended or replaced as well.")
def list_bases(with_ended: bool) -> None:
    """List the bases."""
    kept, _ = open_site()
    shown = [one for one in kept.bases.all() if with_ended or one.ended_at is None]
    head = ("Number", "Trial", "Kind", "Reference", "From", "Until", "By", "Ended")
    rows = (
        (
            str(one.basis.number),
            one.basis.trial,
            str(one.basis.kind),
            one.basis.reference or "",
            str(one.basis.first_day),
            str(one.basis.last_day or ""),
            one.recorded_by,
            f"{one.ended_at:%Y-%m-%d}, {one.ended_by}: {one.ended_why}" if one.ended_at is not None else "",
        )
        for one in shown
    )
    columns = len(head) if with_ended else len(head) - 1
    tell_table(head[:columns], (row[:columns] for row in rows))


def _today(trial: str, site: str | None, timezone: str | None) -> date:
    """Where the trial is screened for."""
    from fhir_trial.definitions.trial_files import load_trial
    from fhir_trial.wiring.clock import today

    return today(load_trial(trial, site=site, timezone=timezone).zone)
