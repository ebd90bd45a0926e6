"""The sandbox as a child process: started, waited for, loaded, and ended by its own process id."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import subprocess  # nosec B404
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self, cast

from fhir_trial.errors import TemporaryServerError, UsageError
from fhir_trial.sandbox.clients import LOADER, Registered, SandboxAccess, SandboxClient, register
from fhir_trial.sandbox.launcher import LAUNCH_FILE
from fhir_trial.sandbox.loading import LoadReport, load_samples
from fhir_trial.sandbox.snapshots import restore, take_snapshot
from fhir_trial.transport import FhirServer
from fhir_trial.transport.access import Open
from fhir_trial.transport.settings import ServerSettings

_READY_WITHIN = 60.0


class Sandbox:
    """A FHIR R4 server on 127.0.0.1, in a child process.

    ``with Sandbox() as sandbox: sandbox.load(folder); sandbox.base_url``

    Args:
        data_dir: Where its database lives; a temporary folder, removed at the end, when None.
        port: 0 picks a free one.
        auth: The clients that may ask for a token (SMART Backend Services). With any, everything but /metadata and discovery is
            refused without one; without, no token is asked for.
        dirty: Answer as a careless server does: no MedicationStatement, absolute references, codes without display.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        port: int = 0,
        *,
        auth: SandboxClient | Sequence[SandboxClient] = (),
        dirty: bool = False,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="fhir-trial-sandbox-") if data_dir is None else None
        self.data_dir = Path(self._temporary.name if self._temporary else str(data_dir)).resolve()
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._clients = (auth,) if isinstance(auth, SandboxClient) else tuple(auth)
        self._registered: tuple[Registered, ...] = ()
        self._dirty = dirty
        self.base_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def accesses(self) -> tuple[SandboxAccess, ...]:
        """What each client must know, in the order of ``auth``; empty where no token is asked for."""
        return tuple(registered.access(self._token_url) for registered in self._registered if registered.client is not LOADER)

    @property
    def access(self) -> SandboxAccess | None:
        """What the first client must know; None where no token is asked for."""
        return next(iter(self.accesses), None)

    def start(self, ready_within: float = _READY_WITHIN) -> str:
        """Starts it and waits until it answers. Returns the FHIR base URL.

        Raises:
            UsageError: The extra is not installed, the port is taken, or the key of a client is not usable.
            TemporaryServerError: Not ready within ``ready_within`` seconds.
        """
        if importlib.util.find_spec("sekmet") is None:
            raise UsageError("The sandbox needs the package sekmet-fhir: pip install 'fhir-trial[sandbox]'.")
        if self._process is not None:
            raise UsageError("This sandbox has been started already.")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._write_launch_file()
        deadline = time.monotonic() + ready_within
        with (self.data_dir / "server.log").open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(  # nosec B603
                [sys.executable, "-m", "fhir_trial.sandbox.launcher", str(self.data_dir), str(self._port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.data_dir,
                env=_environment(),
            )
        try:
            self.base_url = self._first_line(cast("IO[str]", self._process.stdout), deadline)
            self._wait_until_it_answers(deadline)
        except BaseException:
            self.stop()
            raise
        return self.base_url

    def load(self, folder: Path | str) -> LoadReport:
        """Stores the resources of a Bundle file, an NDJSON file, or a folder of them, under their own ids.

        The state afterwards is the one that ``reset`` returns to.
        """
        report = self._load(Path(folder))
        take_snapshot(self.data_dir)
        return report

    def _load(self, folder: Path) -> LoadReport:
        loader = [registered.access(self._token_url) for registered in self._registered if registered.client is LOADER]
        settings = ServerSettings(self.base_url, access=loader[0].services() if loader else Open())
        with FhirServer(settings) as server:
            return load_samples(server, folder)

    def reset(self) -> None:
        """Returns to the state just after the last ``load``, while it runs or while it is stopped; tokens stay good.

        Raises:
            UsageError: Nothing was loaded.
        """
        restore(self.data_dir)

    def wait(self) -> None:
        """Until the child ends."""
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """Ends the child, and removes a temporary data folder. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if self._reader is not None:
                self._reader.join(timeout=5)  # a stream that is still being read cannot be closed
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def _token_url(self) -> str:
        return f"{self.base_url.removesuffix('/fhir')}/auth/token"

    def _write_launch_file(self) -> None:
        clients = (*self._clients, LOADER) if self._clients else ()
        self._registered = register(clients, self.data_dir)
        launch = {"clients": [registered.entry() for registered in self._registered], "dirty": self._dirty}
        (self.data_dir / LAUNCH_FILE).write_text(json.dumps(launch), encoding="utf-8")

    def _first_line(self, stdout: IO[str], deadline: float) -> str:
        """The URL that the child prints. Read in a thread, since a pipe cannot be waited for with a limit everywhere."""
        lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True)
        self._reader.start()
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic())).strip()
        except queue.Empty:
            raise TemporaryServerError("The sandbox did not start in time; see server.log in its data folder.") from None
        if not line:
            raise UsageError(self._why_it_ended())
        return line

    def _wait_until_it_answers(self, deadline: float) -> None:
        while True:
            with FhirServer(self.base_url) as server:
                try:
                    server.capabilities()
                    return
                except TemporaryServerError:
                    pass
            if self._process is None or self._process.poll() is not None:
                raise UsageError(self._why_it_ended())
            if time.monotonic() > deadline:
                raise TemporaryServerError("The sandbox did not answer in time; see server.log in its data folder.")
            time.sleep(0.1)

    def _why_it_ended(self) -> str:
        log = (self.data_dir / "server.log").read_text(encoding="utf-8", errors="replace")
        if "Address already in use" in log:
            return f"Port {self._port} is taken by another program; choose another with --port."
        last = log.strip().splitlines()[-1:] or ["no word of it in the log"]
        return f"The sandbox ended at once: {last[0]}"


def _environment() -> dict[str, str]:
    """Ours, without settings of the server that would override the file, and with this package importable from anywhere."""
    import fhir_trial

    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEKMET_")}
    here = str(Path(str(fhir_trial.__path__[0])).parent)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [here, kept.get("PYTHONPATH", "")]))
    return kept
