"""``fhir-trial site client``: how we are registered with EHRs, for SMART launches (SMART-10, SMART-35, SMART-62)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from fhir_trial.cli.site_store import NAME, PRACTICE, REASON, URL, Changes, open_site, tell_table, who_option, why_option
from fhir_trial.errors import UsageError

if TYPE_CHECKING:
    from fhir_trial.store import SmartClients
    from fhir_trial.wiring.kept import Kept


@click.group()
def client() -> None:
    """Our registrations with EHRs. Only from a registered FHIR base is a launch taken."""


@client.command()
@click.argument("iss", type=URL)
@click.argument("client_id", type=NAME)
@click.option(
    "--authentication",
    type=click.Choice(["public", "symmetric", "asymmetric"]),
    required=True,
    help="At the token endpoint: nothing, a secret, a signed assertion.",
)
@click.option("--practice", type=PRACTICE, default=None, help="Where one base serves several practices.")
@click.option("--secret-variable", metavar="NAME", help="Environment variable with the secret; asked for by default.")
@click.option("--id-issuer", type=URL, metavar="URL", help="`iss` of its id_tokens, if its discovery document does not say it.")
@click.option("--id-keys", type=URL, metavar="URL", help="Their JWKS, likewise.")
@click.option("--scope-version", type=click.Choice(["v1", "v2"]), help="Syntax of scopes; by its capabilities by default.")
@click.option("--frame-ancestors", type=REASON, metavar="ORIGINS", help="Who may show our pages in a frame; nobody by default.")
@who_option
def register(
    iss: str, client_id: str, authentication: str, practice: str | None, secret_variable: str | None, who: str, **given: Any
) -> None:
    """Register a client, or replace its registration and secret. ISS is the FHIR base as a launch names it.

    The secret is read from an environment variable or asked for, never an argument.
    """
    from fhir_trial.audit import AuditAction
    from fhir_trial.store import SmartClient
    from fhir_trial.wiring.clock import now

    kept, _ = open_site()
    secret = _secret(secret_variable) if authentication == "symmetric" else None
    if secret_variable is not None and secret is None:
        raise UsageError(f"A client that is {authentication} has no secret: leave --secret-variable out.")
    wanted = SmartClient(iss, client_id, authentication, practice or "", secret, **given)  # type: ignore[arg-type]  # click chose it
    what = f"{client_id}, {authentication}, for {iss}{f' {practice}' if practice else ''}"
    details = "".join(f", {name.replace('_', ' ')} {value}" for name, value in given.items() if value is not None)
    with Changes(kept, who).begin(AuditAction.REGISTER_CLIENT, reason=what + details):
        _clients(kept).register(wanted, by=who, at=now())
    click.echo(f"Registered: {what}.")


@client.command()
@click.argument("iss", type=URL)
@click.option("--practice", type=PRACTICE, help="As it was registered.")
@who_option
@why_option
def disable(iss: str, practice: str | None, who: str, why: str) -> None:
    """Take no launch from it any more; registering it again enables it."""
    from fhir_trial.audit import AuditAction
    from fhir_trial.wiring.clock import now

    kept, _ = open_site()
    what = f"{iss}{f' {practice}' if practice else ''}"
    with Changes(kept, who).begin(AuditAction.REGISTER_CLIENT, reason=f"disabled {what}: {why}"):
        _clients(kept).disable(iss, practice or "", by=who, why=why, at=now())
    click.echo(f"Disabled: {what}.")


@client.command(name="list")
def list_clients() -> None:
    """List the registrations, without their secrets."""
    kept, _ = open_site()
    head = ("FHIR base", "Practice", "Client", "Authentication", "Id issuer", "Enabled")
    tell_table(
        head,
        (
            (one.iss, one.practice, one.client_id, one.authentication, one.id_issuer or "", "yes" if one.is_enabled else "no")
            for one in _clients(kept).all()
        ),
    )


def _clients(kept: Kept) -> SmartClients:
    from fhir_trial.store import SmartClients

    return SmartClients(kept.engine, kept.keys, kept.tenant)


def _secret(variable: str | None) -> str:
    """From the environment variable of that name, or from whoever sits there."""
    if variable is None:
        asked: str = click.prompt("Secret", hide_input=True, err=True)
        return asked
    try:
        return os.environ[variable]
    except KeyError:
        raise UsageError(f"The environment variable {variable} is not set.") from None
