"""Sandboxes in the foreground: started, filled, told of, and ended together."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from fhir_trial.errors import SourceError, TemporaryServerError, UsageError
from fhir_trial.sandbox.clients import SandboxClient
from fhir_trial.sandbox.loading import LoadReport
from fhir_trial.sandbox.process import Sandbox
from fhir_trial.sandbox.servers_file import write_servers_file
from fhir_trial.sandbox.snapshots import has_snapshot, restore

_NAME = re.compile(r"[a-z][a-z0-9\-]{0,31}")
#: The name of the only server.
ONLY = "sandbox"
_LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to run.

    Attributes:
        port: Of the first server, the next ones counting up; 0 for free ones.
        data_dir: With tenants, each has its own folder in it; temporary when None.
        samples: Filled in; a folder that holds one folder for each tenant, by name, fills each with its own.
        tenants: Names of servers side by side; one server when empty.
        auth: Ask for tokens, each server of a client of its own.
        dirty: Answer as a careless server does.
        servers_file: Where to write how to reach them.
    """

    port: int = 0
    data_dir: Path | None = None
    samples: Path | None = None
    tenants: tuple[str, ...] = ()
    auth: bool = False
    dirty: bool = False
    servers_file: Path | None = None

    def __post_init__(self) -> None:
        if not all(_NAME.fullmatch(name) for name in self.tenants):
            raise UsageError("A tenant's name is made of small letters, digits and '-', and begins with a letter; 32 at most.")
        if len(set(self.tenants)) < len(self.tenants):
            raise UsageError("Two tenants have the same name.")
        if self.samples is not None and not self.samples.exists():
            raise SourceError("The samples are not there.", expression=str(self.samples))

    @property
    def names(self) -> tuple[str, ...]:
        return self.tenants or (ONLY,)

    def sandbox(self, number: int, name: str) -> Sandbox:
        folder = self.data_dir / name if self.data_dir is not None and self.tenants else self.data_dir
        client = SandboxClient(f"fhir-trial-{name}" if self.tenants else "fhir-trial")
        return Sandbox(folder, self.port and self.port + number, auth=client if self.auth else (), dirty=self.dirty)

    def samples_of(self, name: str) -> Path | None:
        own = self.samples / name if self.samples is not None and self.tenants else None
        return own if own is not None and own.is_dir() else self.samples


Told = Callable[[str, str, LoadReport], None]


def run_sandboxes(wanted: Wanted, ready: Told | None = None) -> None:
    """Runs until interrupted (Ctrl-C, SIGTERM) or until one of them ends; then all end. For the main thread of a process.

    Args:
        ready: Told name, base URL and what was loaded, of each, once all serve.

    Raises:
        TemporaryServerError: One of them ended by itself.
    """
    signal.signal(signal.SIGTERM, _interrupt)  # so that a polite kill tidies up as Ctrl-C does
    with ExitStack() as stack:
        running: dict[str, Sandbox] = {}
        reports: dict[str, LoadReport] = {}
        for number, name in enumerate(wanted.names):
            running[name] = stack.enter_context(wanted.sandbox(number, name))
            samples = wanted.samples_of(name)
            reports[name] = running[name].load(samples) if samples is not None else LoadReport()
        if wanted.servers_file is not None:
            write_servers_file(wanted.servers_file, {name: (each.base_url, each.access) for name, each in running.items()})
        with suppress(KeyboardInterrupt):  # from the first word on, which is when a script may end it
            for name, each in running.items():
                if ready is not None:
                    ready(name, each.base_url, reports[name])
            _wait_for(running)


def run_sandbox(
    port: int, data_dir: Path | str | None, samples: Path | str | None, ready: Callable[[str, LoadReport], None] | None = None
) -> None:
    """Runs one sandbox, that asks for no token, until it is interrupted.

    Args:
        ready: Told the base URL and what was loaded, once it serves.

    Raises:
        SourceError: ``samples`` is not there.
    """
    wanted = Wanted(port, Path(data_dir) if data_dir is not None else None, Path(samples) if samples is not None else None)
    run_sandboxes(wanted, (lambda _, url, report: ready(url, report)) if ready is not None else None)


def reset_folder(data_dir: Path) -> tuple[Path, ...]:
    """Returns a sandbox's data folder, or that of each tenant in it, to the state just after loading. Says which.

    Raises:
        UsageError: There is none.
    """
    folders: Sequence[Path] = [data_dir] if has_snapshot(data_dir) else sorted(data_dir.glob("*/"))
    found = tuple(folder for folder in folders if has_snapshot(folder))
    if not found:
        raise UsageError("No sandbox has been loaded in this folder.", expression=str(data_dir))
    for folder in found:
        restore(folder)
    return found


def _wait_for(running: dict[str, Sandbox]) -> None:
    while True:
        for name, each in running.items():
            if not each.is_running:
                raise TemporaryServerError(f"The sandbox '{name}' has ended by itself; see server.log in its data folder.")
        time.sleep(_LOOK_EVERY)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
