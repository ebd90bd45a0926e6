"""The file that tells other commands how to reach running sandboxes: one table for each, as FHIR_TRIAL_SERVERS_FILE reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from fhir_trial.sandbox.clients import SandboxAccess


def servers_toml(servers: Mapping[str, tuple[str, SandboxAccess | None]]) -> str:
    """TOML: ``[servers.NAME]`` with ``base``, and for a server that asks for a token how to get one. No secret is in it.

    Args:
        servers: Name -> FHIR base URL and access.
    """
    return "\n".join(_table(name, base, access) for name, (base, access) in servers.items())


def write_servers_file(path: Path, servers: Mapping[str, tuple[str, SandboxAccess | None]]) -> None:
    """Replaces the file at once, so that nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text(servers_toml(servers), encoding="utf-8")
    unfinished.replace(path)


def _table(name: str, base: str, access: SandboxAccess | None) -> str:
    values = {"base": base}
    if access is not None:
        values |= {
            "access": "backend-services",
            "client_id": access.client_id,
            "key_file": str(access.key_file),
            "algorithm": access.algorithm,
        }
    lines = [f"{key} = {_string(value)}" for key, value in values.items()]
    return "\n".join([f"[servers.{name}]", *lines, ""])


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a basic string of TOML is escaped as one of JSON
