"""The files of a manifest onto the disk: several at once, each tried again and again, whole or not at all.

Source: BULK-32 to BULK-37, BULK-44, BULK-45.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from fhir_trial.errors import FatalServerError, ServerError
from fhir_trial.sources.exporting.clocks import Clock
from fhir_trial.sources.exporting.job import ExportedFile, FileState, JobFolder
from fhir_trial.sources.exporting.lines import Lines, LineTooLongError
from fhir_trial.sources.exporting.manifest import Manifest, links_for
from fhir_trial.sources.exporting.unpacking import BrokenPackingError, TooLargeError, unpacked
from fhir_trial.transport.connection import StoppedError
from fhir_trial.transport.downloads import Came, HostNotAllowedError, LinkGoneError, disk_error, wait_asked
from fhir_trial.transport.exports import BulkServer
from fhir_trial.transport.refusals import NotAuthorisedError
from fhir_trial.transport.retries import TryAgain

#: Seconds before each further try that brought nothing (BULK-45), and after one that brought some of the file.
_DELAYS: Final = (60.0, 120.0, 240.0, 480.0)
_SOON: Final = 1.0
_GZIP: Final = b"\x1f\x8b"
_OWNER_ONLY: Final = 0o600
#: Errors of the whole export rather than of one file: once mended, it goes on.
_OF_ALL: Final = (StoppedError, NotAuthorisedError, HostNotAllowedError)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one file.

    Attributes:
        lines: None where it could not be fetched.
        trouble: What is wrong, in words; None when nothing is.
    """

    lines: Lines | None
    trouble: str | None = None

    def onto(self, file: ExportedFile) -> None:
        """Writes it into the job."""
        file.trouble = self.trouble
        file.state = FileState.FAILED if self.lines is None else FileState.WHOLE
        if self.lines is not None:
            file.resources, file.unreadable, file.unexpected = self.lines.resources, self.lines.unreadable, self.lines.unexpected
            file.dated, file.issues = self.lines.dated, dict(sorted(self.lines.issues.items()))


class Fetching:
    """Fetches the files of one export.

    Args:
        files: All of the manifest, in its order.
        again: Asks the server for the manifest once more.
    """

    def __init__(
        self,
        server: BulkServer,
        folder: JobFolder,
        clock: Clock,
        files: list[ExportedFile],
        again: Callable[[], Manifest],
    ) -> None:
        self._server, self._folder, self._clock, self._files, self._again = server, folder, clock, files, again
        self._gate, self._stopping = threading.Lock(), threading.Event()

    def fetch(self, links: dict[str, str], status_url: str, *, as_us: bool) -> Iterator[tuple[ExportedFile, Fetched]]:
        """Each file that is not whole yet, as it is done.

        Args:
            links: By key.
            as_us: With our token.

        Raises:
            ServerError: The export as a whole cannot go on.
            SourceError: The disk is full.
        """
        self._links, self._status_url, self._as_us = dict(links), status_url, as_us
        waiting = [file for file in self._files if file.state is not FileState.WHOLE]
        with ThreadPoolExecutor(self._server.settings.export.parallel_downloads) as pool:
            futures = {pool.submit(self._one, file): file for file in waiting}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                self._stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, file: ExportedFile) -> Fetched:
        came = Came(self._folder.unfinished(f"{file.name}.came"))
        try:
            return self._tried(file, came)
        except _OF_ALL:
            raise
        except ServerError as error:
            return Fetched(None, error.message)
        except (TooLargeError, LineTooLongError):
            return Fetched(None, "Export file: it, or a line of it, is larger than is allowed.")
        finally:
            came.path.unlink(missing_ok=True)
            self._plain(file).unlink(missing_ok=True)

    def _tried(self, file: ExportedFile, came: Came) -> Fetched:
        """Again and again; a file that is other than promised is fetched once more, and then taken as it is (BULK-37)."""
        tries, doubted, link, is_fresh = 0, False, self._links[file.key], False
        while True:
            before = came.size
            try:
                self._server.fetch(link, self._status_url, came, as_us=self._as_us, given_up=self._stopping.is_set)
                lines, trouble = self._looked_at(file, came)
            except LinkGoneError:
                if is_fresh:
                    raise
                link, is_fresh = self._fresh(file, link), True
                continue
            except TryAgain as failed:
                brought = bool(came.validator) and came.size > before
                tries = 0 if brought else tries + 1
                if tries > len(_DELAYS):
                    raise failed.error from None
                self._pause(wait_asked(failed), 0.0 if brought else _DELAYS[tries - 1])
                continue
            if trouble is None or doubted:
                self._keep(file, came)
                return Fetched(lines, trouble)
            doubted, came.size, came.validator = True, 0, ""

    def _looked_at(self, file: ExportedFile, came: Came) -> tuple[Lines, str | None]:
        """Unpacks it beside, and counts its lines."""
        lines, size, packed = Lines(file.section, file.kind), 0, _is_packed(came.path)
        self._plain(file).unlink(missing_ok=True)
        try:
            with _written(self._plain(file)) if packed else nullcontext() as output:
                for piece in unpacked(came.path, self._server.settings.export.largest_file):
                    size += len(piece)
                    lines.take(piece)
                    _write(output, piece)
                lines.finish()
        except BrokenPackingError:
            came.size, came.validator = 0, ""
            raise TryAgain(FatalServerError("Export file: its compression breaks off.")) from None
        return lines, _doubt(file, came, lines, size, packed=packed)

    def _keep(self, file: ExportedFile, came: Came) -> None:
        plain = self._plain(file)
        whole = plain if plain.exists() else came.path
        try:
            with whole.open("rb+") as opened:
                os.fsync(opened.fileno())
            whole.replace(self._folder.unfinished(file.name))
        except OSError as error:
            raise disk_error(error) from None

    def _plain(self, file: ExportedFile) -> Path:
        return self._folder.unfinished(f"{file.name}.plain")

    def _fresh(self, file: ExportedFile, old: str) -> str:
        """Another link for a file whose link is not good any more; one thread asks for all (BULK-32)."""
        with self._gate:
            if self._links[file.key] == old:
                links = links_for(self._files, self._again())
                if links is None:
                    raise FatalServerError("Export file: its link has ended, and the manifest is another one now.")
                self._links = links
            return self._links[file.key]

    def _pause(self, asked: float, ours: float) -> None:
        """In small pieces, so that an export that is stopped ends soon."""
        left = min(asked, self._server.settings.export.longest_wait) + (ours or _SOON) * (0.5 + self._clock.chance() / 2)
        while left > 0 and not self._stopping.is_set():
            self._clock.sleep(min(_SOON, left))
            left -= _SOON
        if self._stopping.is_set():
            raise FatalServerError("Export file: the export was stopped.")


def _doubt(file: ExportedFile, came: Came, lines: Lines, size: int, *, packed: bool) -> str | None:
    """Why it may not be what was promised."""
    count = lines.resources + lines.unreadable
    if file.promised is not None and file.promised != count:
        return f"Export file: {file.promised} resources were promised, and {count} came."
    if file.promised_size is not None and file.promised_size not in (came.size, size):
        return f"Export file: {file.promised_size} bytes were promised, and {size} came."
    if not (packed or came.is_vouched_for or file.promised is not None or file.promised_size is not None):
        return "Export file: the server did not say where it ends, so that nobody knows whether it is whole."
    return None


def _is_packed(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP
    return False


def _write(output: IO[bytes] | None, piece: bytes) -> None:
    if output is not None:
        try:
            output.write(piece)
        except OSError as error:
            raise disk_error(error) from None


def _written(path: Path) -> IO[bytes]:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "wb")
    except OSError as error:
        raise disk_error(error) from None
