"""``fhir-trial site grant``, ``revoke`` and ``grants``: who may do what (SEC-12)."""

from __future__ import annotations

import click

from fhir_trial.cli.site_store import (
    NAME,
    REASON,
    TRIAL,
    URL,
    Changes,
    known_trial,
    of_trials,
    open_site,
    tell_table,
    who_option,
    why_option,
)
from fhir_trial.people.roles import Role

_ROLE = click.Choice([str(role) for role in Role])


@click.command()
@click.argument("issuer", type=URL)
@click.argument("subject", type=NAME)
@click.argument("role", type=_ROLE)
@click.option("--trial", type=TRIAL, metavar="ID", help="For this trial alone; for all trials by default.")
@click.option("--name", type=NAME, help="What the user is called, for lists; it decides nothing.")
@click.option("--why", type=REASON, help="The reason; it is recorded.")
@who_option
def grant(issuer: str, subject: str, role: str, trial: str | None, name: str | None, why: str | None, who: str) -> None:
    """Give a user a role.

    ISSUER and SUBJECT are `iss` and `sub` of the user's tokens, letter by letter. Without a grant nobody may do anything.
    """
    from fhir_trial.audit import AuditAction
    from fhir_trial.wiring.clock import now

    on = known_trial(trial) if trial is not None else None
    kept, settings = open_site()
    with Changes(kept, who).begin(AuditAction.GRANT, trial=on, reason=_said(issuer, subject, role, why, name)):
        is_new = kept.grants.grant(issuer, subject, role, on, name=name, by=who, why=why, at=now())
    click.echo(f"{'Granted' if is_new else 'Granted already'}: {role}, {of_trials(on)}.")
    if settings.issuers and issuer not in settings.issuers:
        click.echo("Note: this issuer is not in FHIR_TRIAL_ISSUERS, so its API tokens are refused.", err=True)


@click.command()
@click.argument("issuer", type=URL)
@click.argument("subject", type=NAME)
@click.argument("role", type=_ROLE)
@click.option("--trial", type=TRIAL, metavar="ID", help="As it was granted; without it, the grant for all trials.")
@who_option
@why_option
def revoke(issuer: str, subject: str, role: str, trial: str | None, who: str, why: str) -> None:
    """Take a role from a user; it counts from the next request, and the history stays."""
    from fhir_trial.audit import AuditAction
    from fhir_trial.wiring.clock import now

    on = trial.lower() if trial is not None else None
    kept, _ = open_site()
    with Changes(kept, who).begin(AuditAction.REVOKE, trial=on, reason=_said(issuer, subject, role, why)):
        kept.grants.revoke(issuer, subject, role, on, by=who, why=why, at=now())
    click.echo(f"Revoked: {role}, {of_trials(on)}.")


@click.command()
@click.option("--all", "with_ended", is_flag=True, help="Those that were revoked as well.")
def grants(with_ended: bool) -> None:
    """List who may do what."""
    kept, _ = open_site()
    shown = [one for one in kept.grants.all() if with_ended or one.ended_at is None]
    head = ("Role", "Trial", "Name", "Subject", "Issuer", "Since", "By", "Until", "Ended by")
    rows = (
        (
            one.role,
            of_trials(one.trial),
            one.name or "",
            one.subject,
            one.issuer,
            f"{one.given_at:%Y-%m-%d}",
            one.given_by,
            f"{one.ended_at:%Y-%m-%d}" if one.ended_at is not None else "",
            one.ended_by or "",
        )
        for one in shown
    )
    columns = len(head) if with_ended else len(head) - 2
    tell_table(head[:columns], (row[:columns] for row in rows))


def _said(issuer: str, subject: str, role: str, why: str | None, name: str | None = None) -> str:
    what = f"{role} for {subject} of {issuer}{f', called {name}' if name else ''}"
    return f"{what}: {why}" if why else what
