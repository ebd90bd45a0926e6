"""The file in which a site names its servers: one table for each, every key known, no secret in it (SEC-57).

[servers.ward]
base = "https://ehr.example.invalid/fhir"
access = "backend-services"
client_id = "fhir-trial"
key_file = "/run/secrets/fhir-trial.pem"

"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fhir_trial.errors import UsageError
from fhir_trial.transport.access import Access, BackendServices, Bearer, Open
from fhir_trial.transport.export_settings import ExportSettings
from fhir_trial.transport.settings import ServerSettings

#: Which keys each kind of access takes.
_ACCESS: Mapping[str, frozenset[str]] = {
    "open": frozenset(),
    "bearer": frozenset({"token_file"}),
    "backend-services": frozenset({"client_id", "key_file", "algorithm", "kid", "token_url", "scopes"}),
}
_EXPORT = frozenset({"export_method", "export_days", "download_hosts", "parallel_downloads"})
#: Whole numbers with the names and the defaults of the settings: what errors tell a site to raise.
_LIMITS = frozenset({"page_size", "most_pages", "largest_answer", "largest_search", "longest_answer", "read_timeout"})
_PLAIN = frozenset({"base", "aliases", "access", "requests_per_minute", "parallel", "headers", "ca_file"}) | _EXPORT | _LIMITS
_SECRETS = frozenset({"token", "secret", "password", "key", "client_secret", "private_key"})
_WANTED: Mapping[str, type] = {
    **dict.fromkeys(("requests_per_minute", "parallel", "export_days", "parallel_downloads", *_LIMITS), int),
    **dict.fromkeys(("aliases", "scopes", "download_hosts"), list),
    "headers": dict,
}


def read_servers(path: Path) -> dict[str, ServerSettings]:
    """Every server of the file by its name.

    Raises:
        UsageError: The file cannot be read, or something in it is not known or does not fit; the path says where.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise UsageError("The servers file cannot be read.", expression=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The servers file is no TOML: {error}.", expression=str(path)) from None
    servers = content.pop("servers", None)
    if content or not isinstance(servers, dict) or not servers:
        raise UsageError("The servers file holds tables [servers.NAME], and nothing else.", expression=str(path))
    return {name: _server(table, f"{path} [servers.{name}]", path.parent) for name, table in servers.items()}


def _server(table: Any, where: str, folder: Path) -> ServerSettings:
    if not isinstance(table, dict) or not isinstance(table.get("base"), str):
        raise UsageError('A server needs its FHIR base URL: base = "https://...".', expression=where)
    kind = table.get("access", "open")
    if kind not in _ACCESS:
        raise UsageError(f"access is one of {', '.join(_ACCESS)}.", expression=where)
    _check_keys(table, _PLAIN | _ACCESS[kind], where)
    try:
        return ServerSettings(
            table["base"],
            aliases=tuple(table.get("aliases", ())),
            access=_access(kind, table, folder),
            parallel=table.get("parallel", 4),
            requests_per_minute=table.get("requests_per_minute"),
            headers=tuple(table.get("headers", {}).items()),
            ca_file=folder / table["ca_file"] if "ca_file" in table else None,
            export=_export(table),
            **{name: table[name] for name in _LIMITS if name in table},
        )
    except KeyError as error:
        raise UsageError(f"access = '{kind}' needs {error.args[0]}.", expression=where) from None
    except UsageError as error:
        raise UsageError(error.message, expression=where) from None


def _export(table: Mapping[str, Any]) -> ExportSettings:
    return ExportSettings(
        method=table.get("export_method", "GET"),
        download_hosts=tuple(table.get("download_hosts", ())),
        parallel_downloads=table.get("parallel_downloads", 5),
        longest_days=table.get("export_days", 30),
    )


def _access(kind: str, table: Mapping[str, Any], folder: Path) -> Access:
    """Paths of files start at the folder of the servers file."""
    makers: Mapping[str, Callable[[], Access]] = {
        "open": Open,
        "bearer": lambda: Bearer(folder / table["token_file"]),
        "backend-services": lambda: BackendServices(
            client_id=table["client_id"],
            key_file=folder / table["key_file"],
            algorithm=table.get("algorithm", "ES384"),
            kid=table.get("kid"),
            token_url=table.get("token_url"),
            scopes=tuple(table.get("scopes", ())),
        ),
    }
    return makers[kind]()


def _check_keys(table: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for key, value in table.items():
        if key in _SECRETS:
            raise UsageError(f"'{key}': a secret stands in a file of its own, and here only that file's path.", expression=where)
        if key not in known:
            near = get_close_matches(key, known, n=1)
            raise UsageError(f"Unknown key '{key}'." + (f" Did you mean '{near[0]}'?" if near else ""), expression=where)
        wanted = _WANTED.get(key, str)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise UsageError(f"'{key}' does not have the right kind of value ({wanted.__name__}).", expression=where)
        if isinstance(value, list | dict) and not all(isinstance(each, str) for each in _leaves(value)):
            raise UsageError(f"'{key}' holds words only.", expression=where)


def _leaves(value: list[Any] | dict[str, Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
