"""Who signs in to the demonstration, and a small issuer on loopback that vouches for them (OpenID Connect Discovery 1.0).

Its key is made at the start and never leaves this process; its tokens are good for five minutes.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from joserfc import jwt

from fhir_trial.transport.keys import generate_key, key_id, public_jwks

#: What tokens are meant for.
AUDIENCE = "fhir-trial-demo"
#: Seconds that a token is good for.
LIFETIME = 300
_ALGORITHM = "ES384"
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in.

    Attributes:
        subject: As the issuer names them.
        role: What the site's administrator grants them.
    """

    subject: str
    name: str
    role: str | None


MACHINE = Person("screening-job", "Screening job", "screener")
COORDINATOR = Person("u1042", "Mei Lin", "coordinator")
INVESTIGATOR = Person("u0007", "Jonas Weber", "investigator")
STRANGER = Person("u9999", "Somebody without a role", None)


class Issuer:
    """Signs people in: publishes its public key, makes tokens. A context manager; ``url`` is its name in tokens."""

    def __init__(self) -> None:
        self._key = generate_key(_ALGORITHM)
        self._server = ThreadingHTTPServer((_HOST, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://{_HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, person: Person) -> str:
        """A bearer token of this moment."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": person.subject, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME}
        header = {"alg": _ALGORITHM, "typ": "JWT", "kid": key_id(self._key)}
        return jwt.encode(header, claims | {"jti": str(uuid.uuid4())}, self._key, algorithms=[_ALGORITHM])

    def _documents(self) -> dict[str, object]:
        """Path -> what it answers; public members only."""
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"},
            "/jwks": public_jwks([self._key]),
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name is http.server's
                document = issuer._documents().get(self.path)
                body = json.dumps(document).encode()
                self.send_response(200 if document is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
                """Says nothing."""

        return Handler
