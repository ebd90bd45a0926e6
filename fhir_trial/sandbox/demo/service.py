"""The service in a child process, and people who ask it."""

from __future__ import annotations

import http.client
import json
import subprocess  # nosec B404: the child is our own command line
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fhir_trial.errors import SourceError
from fhir_trial.sandbox.demo.signing_in import Issuer, Person

Json = dict[str, Any]

_COMMAND = (sys.executable, "-m", "fhir_trial", "serve", "--port", "0")
_PATIENCE = 120  # seconds


@dataclass(frozen=True, slots=True)
class Service:
    """The running service; everybody who asks it sends a token.

    Attributes:
        url: Without a slash at the end.
    """

    url: str
    issuer: Issuer

    def ask(self, who: Person | None, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Status and content of the answer.

        Args:
            who: None to send no token.
        """
        parts = urlsplit(self.url)
        headers = {"Authorization": f"Bearer {self.issuer.token(who)}"} if who else {}
        sent = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
        try:
            connection.request(method, path, sent, headers if sent is None else headers | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content: Json = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException):
            raise SourceError(f"{method} {path}: the service gave no answer.") from None
        finally:
            connection.close()
        return answer.status, content

    def told(self, who: Person, method: str, path: str, body: Json | None = None) -> Json:
        """The content of an answer that must be good.

        Raises:
            SourceError: It was refused; with the service's own words.
        """
        status, content = self.ask(who, method, path, body)
        if status >= 400:
            raise SourceError(f"{method} {path}: the service answered {status}: {words_of(content)}")
        return content


def words_of(outcome: Json) -> str:
    """Why a request was refused, from its OperationOutcome."""
    return str(outcome["issue"][0]["details"]["text"])


@contextmanager
def running(issuer: Issuer) -> Iterator[Service]:
    """The service with the settings of this process, on a free port. Ended by its process id.

    Raises:
        SourceError: It did not start; with what it said.
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(_COMMAND, stdout=subprocess.PIPE, stderr=log, text=True) as child,  # nosec B603
    ):
        try:
            url = child.stdout.readline().strip() if child.stdout else ""
            if not url:
                child.wait()
                log.seek(0)
                raise SourceError(f"The service did not start: {log.read().strip()}")
            yield Service(url, issuer)
        finally:
            child.terminate()
