"""The sandbox as a child process: started, waited for, loaded, and ended by its own process id."""

from __future__ import annotations

import importlib.util
import os
import queue
import signal
import subprocess  # nosec B404
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Self, cast

from fhir_trial.errors import SourceError, TemporaryServerError, UsageError
from fhir_trial.sandbox.loading import LoadReport, load_samples
from fhir_trial.transport import FhirServer

_READY_WITHIN = 60.0


class Sandbox:
    """A FHIR R4 server on 127.0.0.1, in a child process.

    ``with Sandbox() as sandbox: sandbox.load(folder); sandbox.base_url``

    Args:
        data_dir: Where its database lives; a temporary folder, removed at the end, when None.
        port: 0 picks a free one.
    """

    def __init__(self, data_dir: Path | str | None = None, port: int = 0) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="fhir-trial-sandbox-") if data_dir is None else None
        self.data_dir = Path(self._temporary.name if self._temporary else str(data_dir)).resolve()
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.base_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self, ready_within: float = _READY_WITHIN) -> str:
        """Starts it and waits until it answers. Returns the FHIR base URL.

        Raises:
            UsageError: The extra is not installed, or the port is taken.
            TemporaryServerError: Not ready within ``ready_within`` seconds.
        """
        if importlib.util.find_spec("sekmet") is None:
            raise UsageError("The sandbox needs the package sekmet-fhir: pip install 'fhir-trial[sandbox]'.")
        if self._process is not None:
            raise UsageError("This sandbox has been started already.")
        self.data_dir.mkdir(parents=True, exist_ok=True)
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
        """Stores the resources of a Bundle file, an NDJSON file, or a folder of them, under their own ids."""
        with FhirServer(self.base_url) as server:
            return load_samples(server, Path(folder))

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


def run_sandbox(
    port: int, data_dir: Path | str | None, samples: Path | str | None, ready: Callable[[str, LoadReport], None] | None = None
) -> None:
    """Runs a sandbox until it is interrupted (Ctrl-C, SIGTERM), filled with ``samples``. For the main thread of a process.

    Args:
        ready: Told the base URL and what was loaded, once it serves.

    Raises:
        SourceError: ``samples`` is not there.
    """
    if samples is not None and not Path(samples).exists():
        raise SourceError("The samples are not there.", expression=str(samples))
    signal.signal(signal.SIGTERM, _interrupt)  # so that a polite kill tidies up as Ctrl-C does
    with Sandbox(data_dir, port) as sandbox:
        report = sandbox.load(samples) if samples is not None else LoadReport()
        if ready is not None:
            ready(sandbox.base_url, report)
        with suppress(KeyboardInterrupt):
            sandbox.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _environment() -> dict[str, str]:
    """Ours, without settings of the server that would override the file, and with this package importable from anywhere."""
    import fhir_trial

    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEKMET_")}
    here = str(Path(str(fhir_trial.__path__[0])).parent)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [here, kept.get("PYTHONPATH", "")]))
    return kept
