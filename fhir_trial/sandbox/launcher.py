"""The child process: python -m fhir_trial.sandbox.launcher DATA_DIR PORT.

Reads ``launch.json`` in the data folder: the clients that may ask for a token (none: no token is asked for), and the dialect.
Binds the port first (so that port 0 is a free one without a race), writes the settings file into the data folder, prints the FHIR
base URL as its only line, and ends when its standard input closes: it never outlives the process that started it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from fhir_trial.sandbox.manners import Application, CarelessServer, OnlyFhir

#: How the parent process tells what is wanted.
LAUNCH_FILE = "launch.json"
_TOKEN_SECONDS = 300

#: Search parameters of R4 that the server lacks: type -> "name:kind:path[:target]".
SEARCH_PARAMETERS = {
    "ResearchStudy": ("identifier:token:identifier", "status:token:status", "title:string:title"),
    "ResearchSubject": (
        "identifier:token:identifier",
        "status:token:status",
        "study:reference:study",
        "individual:reference:individual",
        "patient:reference:individual:Patient",
    ),
    "QuestionnaireResponse": (
        "identifier:token:identifier",
        "status:token:status",
        "subject:reference:subject",
        "patient:reference:subject:Patient",
        "questionnaire:uri:questionnaire",
        "authored:date:authored",
    ),
    "List": (
        "identifier:token:identifier",
        "status:token:status",
        "code:token:code",
        "subject:reference:subject",
        "patient:reference:subject:Patient",
        "date:date:date",
    ),
    "Composition": (
        "identifier:token:identifier",
        "status:token:status",
        "type:token:type",
        "subject:reference:subject",
        "patient:reference:subject:Patient",
        "date:date:date",
    ),
}


def write_settings(data_dir: Path, port: int, clients: list[dict[str, Any]]) -> Path:
    """The server's settings: loopback only, nothing invented, and nothing refused that a real export may hold."""
    path = data_dir / "settings.yaml"
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "base_url": f"http://127.0.0.1:{port}/fhir",
        "data_dir": str(data_dir),
        "software_name": "fhir_trial sandbox",
        "facility_name": "fhir_trial sandbox",
        "simulator": {"enabled": False},  # on by default: it would invent dispenses for active orders
        "validation": {"inbound": "off"},  # strict refuses entered-in-error stubs and times without zone
        "log_inbound": False,
    }
    if clients:
        settings["server_auth"] = {
            "types": ["smart"],
            "smart_clients": clients,
            "token_lifetime": _TOKEN_SECONDS,
            "enforce_scopes": True,
        }
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")  # JSON is YAML
    return path


def add_search_parameters() -> None:
    """Before the application is made, so that /metadata shows them too."""
    from sekmet.fhir.search_params import PARAMS, SearchParam

    for resource_type, lines in SEARCH_PARAMETERS.items():
        known = PARAMS.setdefault(resource_type, {})
        for line in lines:
            name, kind, path, *target = line.split(":")
            known.setdefault(name, SearchParam(name, kind, (path,), target[0] if target else None))


def only_asymmetric_algorithms_of_smart() -> None:
    """The server would take RS256 and ES256 as well, which SMART does not name."""
    from sekmet.auth import server

    server.ALGS[:] = ["RS384", "ES384"]


def with_manners(application: Application, launch: dict[str, Any], base: str) -> Application:
    """The application behind the lock, and in the dialect, that are asked for."""
    if launch["dirty"]:
        application = CarelessServer(application, base)
    return OnlyFhir(application) if launch["clients"] else application


def end_with_parent() -> None:
    """Waits for standard input to close, then ends this process at once."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serves until told to end."""
    data_dir, port = Path(sys.argv[1]), int(sys.argv[2])
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    port = listener.getsockname()[1]

    import uvicorn
    from sekmet.config import load_settings
    from sekmet.main import create_app

    launch = json.loads((data_dir / LAUNCH_FILE).read_text(encoding="utf-8"))
    settings = load_settings(str(write_settings(data_dir, port, launch["clients"])))
    add_search_parameters()
    only_asymmetric_algorithms_of_smart()
    application = with_manners(create_app(settings), launch, settings.base_url)
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(settings.base_url, flush=True)
    uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
