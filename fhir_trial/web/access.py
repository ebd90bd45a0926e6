"""One id and one log line a request, and the headers that every answer carries (SEC-18, SEC-27)."""

from __future__ import annotations

import time
import uuid
from typing import Final

import structlog
from flask import Flask, Response, g, request

REQUEST_ID: Final = "X-Request-Id"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

log = structlog.get_logger()


def install(app: Flask) -> None:
    """First of all hooks, so that a refusal has its id and its line too."""
    app.before_request(_begin)
    app.after_request(_end)


def request_id() -> str:
    """The caller's own X-Request-Id if it is a UUID (anything else might say something of a patient), else one of ours."""
    found: str = g.request_id
    return found


def _begin() -> None:
    g.began = time.perf_counter()
    try:
        g.request_id = str(uuid.UUID(request.headers.get(REQUEST_ID, "")))
    except ValueError:
        g.request_id = str(uuid.uuid4())


def _end(response: Response) -> Response:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")  # only the public keys say otherwise (SMART-48)
    response.headers[REQUEST_ID] = request_id()
    log.info(
        "request",
        request=request_id(),
        method=request.method if request.url_rule else None,
        route=request.url_rule.rule if request.url_rule else None,  # the template: no path, no query
        status=response.status_code,
        ms=round((time.perf_counter() - g.began) * 1000),
    )
    return response
