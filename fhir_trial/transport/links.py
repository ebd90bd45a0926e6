"""Which links of a server may be followed: those under its own base, or an alias that the settings name (DATA-01)."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import SplitResult, parse_qsl, unquote, urljoin, urlsplit

from fhir_trial.errors import FatalServerError
from fhir_trial.transport.settings import ServerSettings

_DEFAULT_PORTS = {"http": 80, "https": 443}


def followed(link: str, current: str, settings: ServerSettings) -> str:
    """The absolute form of a link, to be requested as it stands; FatalServerError when it leads away.

    Args:
        current: URL of the page that holds the link; a relative link starts there, or at the base if it begins with a type.
    """
    with suppress(ValueError):  # what is no address leads nowhere
        absolute = urljoin(current, link)
        if not urlsplit(link).scheme and not _is_under_any(absolute, settings):
            absolute = urljoin(f"{settings.base}/", link)
        if _is_under_any(absolute, settings):
            return absolute
    raise FatalServerError(
        "A link of the server leads outside its FHIR base and was not followed. "
        "If that address is the same server, add it to the setting 'aliases' (https, where a token goes along)."
    )


def sent_names_missing(self_link: str | None, sent: list[str]) -> frozenset[str]:
    """Names of parameters that the self link leaves out, and the server therefore ignored (DATA-05); none if it says nothing."""
    try:
        query = urlsplit(self_link).query if self_link else ""
    except ValueError:
        return frozenset()
    names = {_bare(name) for name, _ in parse_qsl(query, keep_blank_values=True)}
    if not names or all(name.startswith("_") and name not in sent for name in names):  # an opaque link: "?_getpages=..."
        return frozenset()
    return frozenset(name for name in map(_bare, sent) if name not in names and name != "_count")


def _bare(name: str) -> str:
    return name.split(":", 1)[0]


def _is_under_any(url: str, settings: ServerSettings) -> bool:
    return any(_is_under(urlsplit(url), urlsplit(base)) for base in settings.followed_bases)


def _is_under(url: SplitResult, base: SplitResult) -> bool:
    if (url.scheme, url.hostname, port_of(url), url.username) != (base.scheme, base.hostname, port_of(base), None):
        return False
    path = unquote(url.path)
    if _leads_up(path):
        return False
    return path.rstrip("/") == base.path or path.startswith(f"{base.path}/")


def _leads_up(path: str) -> bool:
    """Whether a server, however often it unquotes, and whatever it takes for a path's parameters, may leave the base."""
    while (plain := unquote(path)) != path:
        path = plain
    return "\\" in path or any(part.split(";")[0] == ".." for part in path.split("/"))


def port_of(url: SplitResult) -> int | None:
    """The port, the scheme's own where none is named; None where it is no number."""
    try:
        return _DEFAULT_PORTS.get(url.scheme) if url.port is None else url.port
    except ValueError:
        return None
