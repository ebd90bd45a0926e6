"""Where to look afterwards: the service, the FHIR server, the audit chain; and both servers left running on request."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from time import sleep

from fhir_trial.sandbox.demo.findings import Findings
from fhir_trial.sandbox.demo.service import Service
from fhir_trial.sandbox.demo.signing_in import COORDINATOR, LIFETIME
from fhir_trial.sandbox.demo.site import SERVER

_PYTHON = shlex.quote(sys.executable)
_HEADER = "coordinator.header"
#: When all has ended.
_ELSEWHERE = {
    "with your own eyes": f"{_PYTHON} -m fhir_trial.sandbox.demo --keep",
    "": "leaves both servers running until Ctrl-C, and says how to ask them",
    "the API, the roles": "docs/service.md, docs/access.md",
    "what was written": "docs/write-back.md",
    "the audit chain": "docs/store.md: fhir-trial site verify-audit",
    "the FHIR server": "docs/sandbox.md",
}


def tell_where_to_look(folder: Path, base: str, service: Service, key: str, findings: Findings, *, keep: bool) -> None:
    """A line for each place.

    Args:
        base: Of the FHIR server.
        key: Of a patient with a history.
        keep: Both servers will be left running; else the lines say how to have them left.
    """
    findings.part("Where to look")
    for name, place in (_here(folder, base, service, key) if keep else _ELSEWHERE).items():
        findings.tell(f"  {name:22}{place}", whole=True)


def _here(folder: Path, base: str, service: Service, key: str) -> dict[str, str]:
    curl = f"curl -sH @{shlex.quote(str(folder / _HEADER))} {service.url}"
    settings = f". {shlex.quote(str(folder / 'settings.env'))}"
    return {
        "a patient's history": f"{curl}/api/patients/{key}/screenings",
        "the API, described": f"{curl}/openapi.json",
        "the FHIR server": f"{base}, which asks for a token",
        "what it can give": f"{settings}; {_PYTHON} -m fhir_trial server check {SERVER}",
        "who may do what": f"{settings}; {_PYTHON} -m fhir_trial site grants",
        "the audit chain": f"{settings}; {_PYTHON} -m fhir_trial site verify-audit",
    }


def stay(folder: Path, service: Service, findings: Findings) -> None:
    """Until Ctrl-C. Meanwhile a header with a token of the coordinator's is at hand, renewed before it expires."""
    findings.tell(f"\nCtrl-C ends both servers; {folder} stays.")
    try:
        while True:
            write_header(folder, service)
            sleep(LIFETIME / 2)
    except KeyboardInterrupt:
        findings.tell("Ended.")
    finally:
        (folder / _HEADER).unlink(missing_ok=True)


def write_header(folder: Path, service: Service) -> Path:
    """``Authorization`` with a token of the coordinator's, for ``curl -H @FILE``: for the owner's eyes only."""
    unfinished = folder / f"{_HEADER}.new"
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(f"Authorization: Bearer {service.issuer.token(COORDINATOR)}\n")
    return unfinished.replace(folder / _HEADER)
