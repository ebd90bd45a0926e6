"""``fhir-trial site``: what a site's administrator and auditor do with the store."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

import click

from fhir_trial.cli.site_audit import export_audit, export_head, verify_audit
from fhir_trial.cli.site_bases import basis
from fhir_trial.cli.site_clients import client
from fhir_trial.cli.site_grants import grant, grants, revoke
from fhir_trial.cli.site_opt_outs import opt_out
from fhir_trial.cli.site_purge import purge
from fhir_trial.cli.site_store import Changes, open_site, who_option
from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.audit import Actor
    from fhir_trial.store.ports import AuditedSwitch
    from fhir_trial.wiring.kept import Kept


@click.group()
def site() -> None:
    """The site's store: who may do what and on what basis, who is left alone, kill switch, audit log, keys.

    Uses FHIR_TRIAL_DATABASE.
    """


for command in (grant, revoke, grants, basis, opt_out, client, purge, verify_audit, export_audit, export_head):
    site.add_command(command)


@site.command("new-key")
@click.argument("name")
def new_key(name: str) -> None:
    """Print a line with a new key, to be put first into the keys file (mode 0600)."""
    from fhir_trial.store import new_key_line

    click.echo(new_key_line(name))


@site.command()
@click.option("--who", required=True, help="Your name; it is recorded.")
@click.option("--why", required=True, help="The reason; it is recorded.")
def stop(who: str, why: str) -> None:
    """Throw the kill switch: no request leaves for the site's servers any more, in any process."""
    from fhir_trial.wiring.clock import now

    kept = _kept()
    _switch(kept).stop(why, _admin(kept, who), str(uuid.uuid4()), "cli")
    click.echo(f"Stopped: {kept.tenant}, {_minute(now())}. `fhir-trial site resume` lets it go on.")


@site.command()
@click.option("--who", required=True, help="Your name; it is recorded.")
@click.option("--why", required=True, help="The reason; it is recorded.")
def resume(who: str, why: str) -> None:
    """Let the site's servers be asked again."""
    kept = _kept()
    _switch(kept).resume(why, _admin(kept, who), str(uuid.uuid4()), "cli")
    click.echo(f"Going on: {kept.tenant}.")


@site.command()
@who_option
def rewrap(who: str) -> None:
    """Seal all that is kept under the first key of the keys file; afterwards older keys may be taken out."""
    from fhir_trial.audit import AuditAction
    from fhir_trial.store import rewrap as seal_anew

    kept, _ = open_site()
    with Changes(kept, who).begin(AuditAction.REWRAP):
        rows = seal_anew(kept.engine, kept.keys, kept.tenant)
    click.echo(f"Sealed anew: {rows} rows.")


def _switch(kept: Kept) -> AuditedSwitch:
    from fhir_trial.store.ports import AuditedSwitch
    from fhir_trial.wiring.clock import now

    return AuditedSwitch(kept.switch, kept.audit, now)


def _admin(kept: Kept, who: str) -> Actor:
    from fhir_trial.audit import Actor

    return Actor(kept.tenant, who, role="admin")


def _kept() -> Kept:
    from fhir_trial.config import read_settings
    from fhir_trial.wiring.kept import open_kept

    kept = open_kept(read_settings())
    if kept is None:
        raise UsageError("No store is set: set FHIR_TRIAL_DATABASE and FHIR_TRIAL_KEYS_FILE.")
    return kept


def _minute(at: datetime) -> str:
    return at.isoformat(timespec="minutes")
