"""From the kick-off to the manifest: asking, waiting as long as the server wants, and no longer than the site allows.

Source: BULK-07, BULK-18, BULK-21 to BULK-28.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from fhir_trial.errors import FatalServerError, TemporaryServerError
from fhir_trial.sources.exporting.clocks import Clock, wait
from fhir_trial.sources.exporting.manifest import Manifest, joined, read_manifest
from fhir_trial.transport.exports import BulkServer, ExportRefusedError, Later, Why

Json = dict[str, Any]
Told = Callable[[str], None]

#: Answers in a row that are none, such as a 500 or a page of HTML: some servers say that of an export that is lost (BULK-24).
MOST_FAULTS: Final = 12
_MOST_PAGES: Final = 10_000


class GivenUpError(ExportRefusedError):
    """The export has taken longer than the site allows."""


class Waiting:
    """Waits for one server.

    Args:
        told: How far it is, and why it takes longer.
    """

    def __init__(self, server: BulkServer, clock: Clock, told: Told) -> None:
        self._server, self._clock, self._told = server, clock, told

    def begin(self, path: str, parameters: Sequence[tuple[str, str]]) -> str:
        """The status URL of an export that has begun.

        Raises:
            ServerError: As for ``BulkServer.kick_off``; or the server was busy for too long.
        """
        since = self._clock.now()
        number = 0
        while isinstance(answer := self._server.kick_off(path, parameters), Later):
            self._pause(answer, number, since)
            number += 1
        return answer

    def manifest(self, url: str, began: datetime) -> Manifest:
        """All pages of the manifest, when it is there.

        Args:
            url: The status URL.

        Raises:
            NotAuthorisedError, TemporaryServerError: It may go on later.
            ServerError: The export has failed.
        """
        pages: list[Manifest] = []
        seen: set[str] = set()
        following: str | None = url
        while following is not None:
            if following in seen or len(seen) >= _MOST_PAGES:
                raise FatalServerError("Export manifest: its pages run in a circle.")
            seen.add(following)
            page = read_manifest(self._answer(following, began), following)
            pages.append(page)
            following = self._server.next_manifest(page.following, following) if page.following is not None else None
        return joined(pages)

    def _answer(self, url: str, began: datetime) -> Json:
        number = faults = 0
        while isinstance(answer := self._server.poll(url), Later):
            faults = faults + 1 if answer.why is Why.FAULT else 0
            if faults > MOST_FAULTS:
                raise TemporaryServerError(
                    f"{answer.said}, for the {faults}th time in a row. Run again to ask once more; if the export is lost, "
                    "end it with --cancel."
                )
            self._pause(answer, number, began)
            number += 1
        return answer

    def _pause(self, answer: Later, number: int, began: datetime) -> None:
        limits = self._server.settings.export
        if self._clock.now() - began > timedelta(days=limits.longest_days):
            raise GivenUpError(f"The export took longer than the setting 'export_days' allows, {limits.longest_days} days.")
        self._told(answer.progress or answer.said or "The server is at work.")
        asked = answer.seconds
        if answer.why is Why.SLOW_DOWN:
            asked = max(asked, wait(0.0, number + 1, limits.longest_wait))
        self._clock.sleep(wait(asked, number, limits.longest_wait))
