"""Requests on their way out, made ready at little cost.

``Session.request`` merges the headers, cookies, hooks and proxies of the session into every request anew, which takes as much CPU
as sending it. Ours never change: they are merged once, into a blank, and each request is a copy of it that is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import requests
from requests.utils import check_header_validity

_NO_HEADERS: Mapping[str, str] = {}
#: "/Observation/_search", "/Patient/p1": nothing to quote, no dots to resolve.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9\-_/]*")


class Unredirected(requests.Session):
    """A session to which a redirect is an answer like any other.

    Even when it does not follow one, ``Session`` parses where it leads and reads its body to the end, however long that is.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Blank:
    """A request with everything that a session adds, and nothing else.

    Args:
        session: Its headers, cookies and hooks are read now, once.
        base: The address below which most requests go.
    """

    def __init__(self, session: requests.Session, base: str) -> None:
        self._blank = session.prepare_request(requests.Request("GET", base))
        self._base, self._quoted = base, self._blank.url

    def filled(
        self,
        method: str,
        url: str,
        params: Iterable[tuple[str, str]] = (),
        body: str | bytes | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> requests.PreparedRequest:
        """One request.

        Raises:
            requests.RequestException: An address that cannot be, or a header that would break out of its line.
        """
        ready = self._blank.copy()
        ready.prepare_method(method)
        path = url.removeprefix(self._base)
        if self._quoted == self._base and not params and path != url and _PLAIN_PATH.fullmatch(path):
            ready.url = url
        else:
            ready.prepare_url(url, list(params))
        for header in headers.items():
            check_header_validity(header)
        ready.headers.update(headers)
        if body is not None:
            ready.prepare_body(body, None)
        return ready
