"""A Java part of the tests as a child process: found, started, and ended with its standard input and by its own process id."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import pytest

_HERE = Path(__file__).parent
#: Small and quick to start, rather than fast after an hour.
_OPTIONS = ("-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8")


def jar_of(folder: str, called: str) -> Path:
    """The built program under ``tests/servers/<folder>``.

    Where it cannot run, the tests that need it are skipped with a word that names it; continuous integration forbids skips.
    """
    if shutil.which("java") is None:
        pytest.skip(f"{called} needs Java 17, which is not installed.")
    jar = _HERE / folder / "target" / f"{folder}.jar"
    if not jar.exists():
        pytest.skip(f"{called} is not built: make java (Maven and JDK 17 are needed once).")
    return jar


class JavaProgram:
    """A running program that speaks lines.

    Args:
        limit: Seconds that one line may take before the program counts as hung.
    """

    def __init__(self, jar: Path, arguments: Sequence[str] = (), *, limit: float) -> None:
        self._limit = limit
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed in stop)
        self._process = subprocess.Popen(
            ["java", *_OPTIONS, "-jar", str(jar), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            # A setting of this machine for all of Java would be announced, or raise the memory again.
            env={name: value for name, value in os.environ.items() if not name.startswith(("JAVA_TOOL", "_JAVA", "JDK_JAVA"))},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> None:
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(f"{line}\n")
        stdin.flush()

    def line(self) -> str:
        """Its next line.

        Raises:
            TimeoutError: It says nothing for too long. It is ended then, for a late answer would be taken for another one.
            EOFError: It has ended; its last words are in the message.
        """
        try:
            line = self._lines.get(timeout=self._limit)
        except queue.Empty:
            self._process.kill()
            raise TimeoutError(f"No line within {self._limit:.0f} s. {self._last_words()}") from None
        if line is None:
            raise EOFError(f"It ended. {self._last_words()}")
        return line.rstrip("\n")

    def hang_up(self, within: float = 10.0) -> int:
        """Closes its standard input and waits for it to end of itself; its exit status."""
        cast("IO[str]", self._process.stdin).close()
        return self._process.wait(timeout=within)

    def stop(self) -> None:
        """Ends it, by its process id if it does not end with its input. Safe to call twice."""
        try:
            self.hang_up()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)
        cast("IO[str]", self._process.stdout).close()
        self._log.close()

    def _read(self) -> None:
        for line in cast("IO[str]", self._process.stdout):
            self._lines.put(line)
        self._lines.put(None)

    def _last_words(self) -> str:
        self._log.seek(0)
        return "\n".join(self._log.read().splitlines()[-5:])
