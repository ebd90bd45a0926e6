"""The state suite runs on SQLite, and on PostgreSQL where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from fhir_trial.store import Keyring, migrate, open_store
from fhir_trial.store.tables import Base


def _program(name: str) -> Path | None:
    for folder in (*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ["PATH"].split(os.pathsep))):
        if (folder / name).exists() and (folder / "initdb").exists():
            return folder / name
    return None


def _unprivileged() -> list[str]:
    """The server refuses to run as root."""
    if os.getuid() != 0:
        return []
    name = next((user for user in ("postgres", "nobody") if user in {entry.pw_name for entry in pwd.getpwall()}), "nobody")
    account = pwd.getpwnam(name)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def _run(*command: str) -> None:
    subprocess.run([*_unprivileged(), *command], check=True, capture_output=True, cwd="/", timeout=60)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of this run alone."""
    control, initdb = _program("pg_ctl"), _program("initdb")
    if control is None or initdb is None or (os.getuid() == 0 and shutil.which("setpriv") is None):
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="fhir-trial-pg-"))
    folder.chmod(0o777)
    data = folder / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _run(str(initdb), "--pgdata", str(data), "--auth=trust", "--username=tester", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    _run(str(control), "--pgdata", str(data), "--log", str(folder / "log"), "-o", options, "-w", "start")
    try:
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    finally:
        _run(str(control), "--pgdata", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty store of the newest form."""
    url: Any = f"sqlite:///{tmp_path / 'store.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    opened = open_store(url)
    migrate(opened)
    yield opened
    if request.param == "postgresql":
        with opened.begin() as connection:
            Base.metadata.drop_all(connection)
            connection.execute(text("DROP TABLE alembic_version"))
    opened.dispose()


@pytest.fixture
def keys() -> Keyring:
    return Keyring("k1", {"k1": b"1" * 32})
