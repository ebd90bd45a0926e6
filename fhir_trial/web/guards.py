"""What is refused before any view is asked: a door open beyond loopback, a foreign Host, another content type than JSON (VER-20).

Where no issuers are configured nobody is asked who they are, so only this machine may ask. The Host is checked because a page in
a browser may reach loopback under a name of its own (DNS rebinding); the content type, because a form on such a page can send
anything but JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, abort, request

_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def install(app: Flask, allowed_hosts: Iterable[str], *, loopback_only: bool = True) -> None:
    """Before every request, matched or not.

    Args:
        loopback_only: Whether nobody is asked who they are.
    """
    names = _OWN_NAMES | {name.lower() for name in allowed_hosts}

    def guard() -> None:
        if loopback_only and not is_loopback(request.environ.get("SERVER_NAME", "")):
            abort(403, "Without FHIR_TRIAL_ISSUERS this service answers on loopback only: start it with --host 127.0.0.1.")
        if _host_name(request.headers.get("Host", "")) not in names:
            abort(400, "The Host header names another service; FHIR_TRIAL_ALLOWED_HOSTS lists further names of this one.")
        if request.url_rule is not None and request.method in _WITH_BODY and not _is_json():
            abort(415, "Send application/json, in UTF-8.")

    app.before_request(guard)


def is_loopback(address: str) -> bool:
    """Whether an address to listen on is reached from this machine alone: "127.0.0.1", "::1", "localhost"; not "0.0.0.0"."""
    if address == "localhost":
        return True
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_name(header: str) -> str | None:
    """The name in a Host header, in lower case; None for anything that is no ``name[:port]``."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port  # checks the port
    except ValueError:
        return None
    return parts.hostname if parts.netloc == header and parts.username is None else None


def _is_json() -> bool:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    return request.mimetype == "application/json" and charset == "utf-8" and not request.content_encoding
