"""The site of the demonstration: its settings, its store, and what its administrator does by ``fhir-trial site``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from fhir_trial.errors import UsageError
from fhir_trial.sandbox.demo.signing_in import AUDIENCE, Person
from fhir_trial.sandbox.process import Sandbox
from fhir_trial.sandbox.servers_file import write_servers_file
from fhir_trial.store import new_key_line

#: The trial of the demonstration.
TRIAL = "nct06789107"
#: The FHIR server's name in the servers file.
SERVER = "sandbox"
_TENANT = "demo"
_ADMIN = "B. Admin"
_PREFIX = "FHIR_TRIAL_"


def settings_of(folder: Path, sandbox: Sandbox, issuer: str) -> dict[str, str]:
    """The settings of the site: the FHIR server with our key to it, a store with a key of its own, who may sign users in.

    They are written to ``settings.env`` in the folder as well, for a shell; no secret is among them.
    """
    write_servers_file(folder / "servers.toml", {SERVER: (sandbox.base_url, sandbox.access)})
    keys = folder / "keys"
    keys.touch(mode=0o600)
    keys.write_text(new_key_line(_TENANT), encoding="ascii")
    settings = {
        "SERVERS_FILE": str(folder / "servers.toml"),
        "SERVER": SERVER,
        "TENANT": _TENANT,
        "DATABASE": f"sqlite:///{folder / 'store.db'}",
        "KEYS_FILE": str(keys),
        "ISSUERS": issuer,
        "AUDIENCE": AUDIENCE,
        "WRITE_BACK": "work-list",
        "CREATE_STUDY": "true",
        "OBSERVATIONS": "all",
    }
    named = {f"{_PREFIX}{name}": value for name, value in settings.items()}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in named.items()]
    (folder / "settings.env").write_text("".join(lines), encoding="utf-8")
    return named


@contextmanager
def in_force(settings: Mapping[str, str]) -> Iterator[None]:
    """This process and its children have these settings and no others of ours; afterwards those of before."""
    before = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    _replace_settings(settings)
    try:
        yield
    finally:
        _replace_settings(before)


def grant(issuer: str, person: Person) -> None:
    """The administrator gives somebody their role on the trial."""
    if person.role is not None:
        site("grant", issuer, person.subject, person.role, "--trial", TRIAL, "--name", person.name, "--who", _ADMIN)


def record_basis() -> str:
    """The administrator records that those screen who treat the patients (SEC-34); what the command says."""
    return site("basis", "record", TRIAL, "treatment", "--who", _ADMIN)


def opt_out(patient: str) -> str:
    """A patient objects, and the administrator enters it (SEC-36); what the command says."""
    return site("opt-out", "add", patient, "--trial", TRIAL, "--kind", "objection", "--who", _ADMIN)


def check_audit() -> tuple[bool, str]:
    """Whether the audit chain is whole; its end, or what is wrong."""
    try:
        return True, site("verify-audit", "--who", "A. Auditor")
    except UsageError as broken:
        return False, broken.message


def site(*words: str) -> str:
    """What ``fhir-trial site WORDS`` prints, here in this process.

    Raises:
        UsageError: It failed; with what it said.
    """
    from fhir_trial.cli.main import main

    printed, said = StringIO(), StringIO()
    status: object = 0
    with redirect_stdout(printed), redirect_stderr(said):
        try:
            main(["site", *words])
        except SystemExit as ended:
            status = ended.code
    if status:
        raise UsageError(f"fhir-trial site {words[0]}: {said.getvalue().strip()}")
    return printed.getvalue().strip()


def _replace_settings(settings: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith(_PREFIX)]:
        del os.environ[name]
    os.environ.update(settings)
