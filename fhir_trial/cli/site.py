"""``fhir-trial site``: what a site's administrator and auditor do with the store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.wiring.kept import Kept

_BROKEN = 1


@click.group()
def site() -> None:
    """The site's store: stop and resume writing, check the audit chain, make a key. Uses FHIR_TRIAL_DATABASE."""


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
    from fhir_trial.audit import Actor
    from fhir_trial.wiring.clock import now
    from fhir_trial.wiring.kept import KeptPorts

    kept = _kept()
    KeptPorts(kept, kept.audit).switch.stop(why, Actor(kept.tenant, who, role="admin"), "cli")
    click.echo(f"Stopped: {kept.tenant}, {_minute(now())}. `fhir-trial site resume` lets it go on.")


@site.command()
@click.option("--who", required=True, help="Your name; it is recorded.")
@click.option("--why", required=True, help="The reason; it is recorded.")
def resume(who: str, why: str) -> None:
    """Let the site's servers be asked again."""
    from fhir_trial.audit import Actor
    from fhir_trial.wiring.kept import KeptPorts

    kept = _kept()
    KeptPorts(kept, kept.audit).switch.resume(why, Actor(kept.tenant, who, role="admin"), "cli")
    click.echo(f"Going on: {kept.tenant}.")


@site.command("verify-audit")
@click.option("--head", metavar="NUMBER:HASH", help="An earlier end of the chain, as this command printed it.")
def verify_audit(head: str | None) -> int:
    """Check the audit chain, and print its end, to be kept elsewhere. Exit status 1 if a row was altered, removed or moved."""
    from fhir_trial.store.chain import Head, verify

    kept = _kept()
    earlier = None
    if head is not None:
        number, _, digest = head.partition(":")
        if not number.isdigit() or not digest:
            raise UsageError("--head takes what this command printed: NUMBER:HASH.")
        earlier = Head(int(number), digest)
    broken = verify(kept.engine, kept.tenant, earlier)
    if broken is not None:
        click.echo(f"The audit chain is broken: row {broken.number} {broken.what}.", err=True)
        return _BROKEN
    last = kept.audit.head(kept.tenant)
    click.echo(f"{last.number}:{last.hash}" if last else "0:")
    return 0


@site.command()
def rewrap() -> None:
    """Seal what is kept under the first key of the keys file; afterwards older keys may be taken out."""
    kept = _kept()
    click.echo(f"Sealed anew: {kept.outbox.rewrap(kept.tenant)} rows.")


def _kept() -> Kept:
    from fhir_trial.config import read_settings
    from fhir_trial.wiring.kept import open_kept

    kept = open_kept(read_settings())
    if kept is None:
        raise UsageError("No store is set: set FHIR_TRIAL_DATABASE and FHIR_TRIAL_KEYS_FILE.")
    return kept


def _minute(at: datetime) -> str:
    return at.isoformat(timespec="minutes")
