"""One export from the first request to the last, from wherever it was when somebody stopped.

pending -> exporting -> downloading -> complete | complete-with-errors; failed; cancelled (BULK-49). Each step is written down
before the next begins. An export that has begun is never begun again; a file that is whole is never fetched again; the server is
told that it may forget when everything is on the disk (BULK-46).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fhir_trial.errors import FatalServerError, ServerError, TemporaryServerError, UsageError
from fhir_trial.sources.exporting.asking import Asked
from fhir_trial.sources.exporting.clocks import Clock
from fhir_trial.sources.exporting.fetching import Fetching
from fhir_trial.sources.exporting.job import ExportedFile, FileState, Job, JobFolder, JobState, Section
from fhir_trial.sources.exporting.log import Log
from fhir_trial.sources.exporting.manifest import Manifest, links_for
from fhir_trial.sources.exporting.neighbours import alone, instant, members_of, since_last, written
from fhir_trial.sources.exporting.published import MANIFEST, REMARKS, hydrated_name, kept_manifest, remarks_of
from fhir_trial.sources.exporting.referred import read_referred, write_referred
from fhir_trial.sources.exporting.waiting import Told, Waiting
from fhir_trial.transport import NotAuthorisedError, NotFoundError, encode_json
from fhir_trial.transport.connection import StoppedError
from fhir_trial.transport.downloads import HostNotAllowedError
from fhir_trial.transport.exports import BulkServer

#: Not a word on the export itself: once mended, it goes on.
_MAY_GO_ON: Final = (HostNotAllowedError, NotAuthorisedError, StoppedError, TemporaryServerError)
#: ``Wish.since``: changes since the last export, where those are enough.
SINCE_LAST: Final = "auto"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants besides the data.

    Attributes:
        since: None for everything, SINCE_LAST, or an instant.
        hydrate: Whether what is referred to and missing is read afterwards.
    """

    since: str | None = None
    hydrate: bool = True


def export(server: BulkServer, folder: Path, asked: Asked, clock: Clock, wish: Wish, told: Told) -> Job:
    """Carries an export through, or on.

    Args:
        folder: New or empty, or that of the same export, which then goes on.

    Returns:
        The job, complete or complete with errors. In the latter case another call fetches what could not be fetched.

    Raises:
        UsageError: The folder holds something else, or an export of the same is under way elsewhere.
        ServerError: The export was refused or has failed, or cannot go on now. What has come is kept, and another call goes on.
        SourceError: The disk is full; another call goes on.
    """
    if wish.since not in (None, SINCE_LAST) and instant(wish.since) is None:
        raise UsageError("Since when? A moment with its zone, such as 2026-03-02T08:00:00Z, or 'auto'.")
    place = JobFolder(folder)
    with alone(folder, asked):
        job = _job(place, asked)
        return _Run(server, place, job, clock, told).run(wish)


def cancel(server: BulkServer, folder: Path, clock: Clock) -> Job:
    """Ends an export, at the server as well (BULK-46). What has been published stays.

    Raises:
        UsageError: No export is in the folder.
        ServerError: The server did not take it; another call tries again.
    """
    place = JobFolder(folder)
    job = place.read()
    if job is None:
        raise UsageError("No export is in this folder.", expression=str(folder))
    if job.status_url is not None and not job.is_ended:
        server.end(job.status_url)
        job.is_ended = True
    if not job.state.has_data:
        job.state = JobState.CANCELLED
        place.forget_files()
    place.save(job)
    Log(place, job.identity, clock.now).event("export_cancelled", state=job.state)
    return job


def _job(place: JobFolder, asked: Asked) -> Job:
    """The job of a folder; a new one in an empty folder, and in place of one that never began, failed or was cancelled."""
    job = place.read()
    if job is not None and (job.state.is_alive or job.state.has_data):
        if job.asked != asked:
            raise UsageError("The folder holds another export: name a new folder for this one.", expression=str(place.path))
        return job
    if job is None and not place.is_free():
        raise UsageError("The folder holds something already: name a new one for an export.", expression=str(place.path))
    place.prepare()
    place.forget_files()
    place.forget_log()
    job = Job(secrets.token_hex(8), asked)
    place.save(job)
    return job


class _Run:
    """One process's part in an export."""

    def __init__(self, server: BulkServer, place: JobFolder, job: Job, clock: Clock, told: Told) -> None:
        self._server, self._place, self._job, self._clock, self._told = server, place, job, clock, told
        self._waiting = Waiting(server, clock, told)
        self._log = Log(place, job.identity, clock.now)

    def run(self, wish: Wish) -> Job:
        job = self._job
        manifest: Manifest | None = None
        if job.state is JobState.PENDING:
            self._begin(wish)
        if job.state is JobState.EXPORTING:
            manifest = self._manifest("status_error")
            self._take(manifest)
        if job.state is JobState.DOWNLOADING or (job.state is JobState.WITH_ERRORS and (self._some_missing() or job.lost)):
            self._fetch(manifest)
            self._finish(wish)
        self._end()
        return job

    def _begin(self, wish: Wish) -> None:
        job = self._job
        job.members = members_of(self._server, job.asked)
        job.since, job.why_all = self._since(wish)
        joined = self._server.settings.export.method == "GET"
        asked = job.asked
        self._log.event("kickoff", path=asked.path, types=list(asked.types), since=job.since, filters=len(asked.filters))
        try:
            url = self._waiting.begin(asked.path, asked.parameters(job.since, joined=joined))
        except _MAY_GO_ON:
            raise
        except FatalServerError as error:
            self._fail("kickoff_error", error)
            raise
        job.status_url, job.state, job.began = url, JobState.EXPORTING, written(self._clock.now())
        self._place.save(job)  # before anything else: whoever goes on must not begin again (BULK-07)
        self._log.event("kickoff_accepted")

    def _since(self, wish: Wish) -> tuple[str | None, str | None]:
        if wish.since is None:
            return None, None
        if wish.since == SINCE_LAST:
            found = since_last(self._place.path, self._job.asked, self._job.members)
            if found.why_all is not None:
                self._told(f"Everything is asked for: {found.why_all}")
            return found.moment, found.why_all
        moment = instant(wish.since)
        return (written(moment) if moment is not None else None), None

    def _manifest(self, event: str) -> Manifest:
        job = self._job
        try:
            return self._waiting.manifest(job.status_url or "", instant(job.began) or self._clock.now())
        except _MAY_GO_ON:
            raise
        except FatalServerError as error:
            self._fail(event, error)
            raise

    def _take(self, manifest: Manifest) -> None:
        """The files of the manifest become the job's."""
        job = self._job
        job.transaction_time, job.files, job.state = manifest.transaction_time, manifest.files, JobState.DOWNLOADING
        self._place.save(job)
        self._log.event("status_complete", transactionTime=job.transaction_time, files=len(job.files))

    def _some_missing(self) -> bool:
        return not self._job.is_ended and any(file.state is not FileState.WHOLE for file in self._job.files)

    def _fetch(self, manifest: Manifest | None) -> None:
        job = self._job
        if job.is_ended:
            return
        for file in job.files:
            if file.state is FileState.WHOLE and not self._place.place_of(file.name).exists():
                file.state = FileState.WAITING
        if all(file.state is FileState.WHOLE for file in job.files):
            return
        manifest, links = self._links(manifest)
        again: Callable[[], Manifest] = lambda: self._waiting.manifest(job.status_url or "", self._clock.now())  # noqa: E731
        fetching = Fetching(self._server, self._place, self._clock, job.files, again)
        for file, fetched in fetching.fetch(links, job.status_url or "", as_us=manifest.needs_token):
            fetched.onto(file)
            self._place.save(job)
            self._note(file)

    def _links(self, manifest: Manifest | None) -> tuple[Manifest, dict[str, str]]:
        """Links are never kept: after a restart the server is asked again. If it names other files now, all are fetched."""
        job = self._job
        if manifest is None:
            manifest = self._manifest("status_error")
        links = links_for(job.files, manifest)
        if links is None:
            if job.state is not JobState.DOWNLOADING:
                raise FatalServerError("The export's manifest is another one now: make a new export in a new folder.")
            self._place.forget_files()
            self._take(manifest)
            links = manifest.links
        return manifest, links

    def _note(self, file: ExportedFile) -> None:
        failed = file.state is FileState.FAILED
        self._log.event(
            "download_failed" if failed or file.trouble else "download_complete",
            fileName=file.name,
            resourceCount=file.resources,
            unreadable=file.unreadable,
            unexpected=file.unexpected,
            message=file.trouble,
        )
        self._told(f"{file.name}: {file.trouble or f'{file.resources} resources.'}")

    def _finish(self, wish: Wish) -> None:
        job = self._job
        if wish.hydrate:
            self._hydrate()
        outcome = job.outcome()
        self._place.write(self._place.published(MANIFEST), encode_json(kept_manifest(job)))
        self._place.write(self._place.published(REMARKS), remarks_of(job))
        for name in self._names():
            self._place.publish(name)
        self._log.event("export_complete", state=outcome, files=len(job.files), unresolved=job.unresolved)
        self._place.publish_log()
        job.state = outcome
        self._place.save(job)

    def _hydrate(self) -> None:
        job = self._job
        paths = [
            self._place.place_of(file.name)
            for file in job.files
            if file.section is Section.OUTPUT and file.state is FileState.WHOLE
        ]
        found = read_referred(self._server, paths)
        job.hydrated = {}
        for kind, content, count in write_referred(found):
            self._place.write(self._place.unfinished(hydrated_name(kind)), content)
            job.hydrated[kind] = count
        job.unresolved, job.lost = dict(sorted(found.unresolved.items())), sorted(found.refused)

    def _names(self) -> list[str]:
        files = [file.name for file in self._job.files if file.state is FileState.WHOLE]
        return [*files, *map(hydrated_name, self._job.hydrated)]

    def _end(self) -> None:
        job = self._job
        if job.is_ended or job.status_url is None or self._some_missing():
            return
        try:
            job.is_ended = self._server.end(job.status_url)
        except ServerError as error:
            self._log.event("delete_refused", message=error.message)
            self._told(f"The server keeps the export: {error.message} Until it is deleted, it may refuse another one.")
            return
        job.is_ended = True
        self._place.save(job)
        self._log.event("deleted")

    def _fail(self, event: str, error: FatalServerError) -> None:
        job = self._job
        if job.status_url is not None and not isinstance(error, NotFoundError):
            with suppress(ServerError):  # it would be in the way of the next one
                job.is_ended = self._server.end(job.status_url)
        job.state, job.trouble = JobState.FAILED, error.message
        self._place.save(job)
        self._log.event(event, message=error.message)


__all__ = ["SINCE_LAST", "Wish", "cancel", "export"]
