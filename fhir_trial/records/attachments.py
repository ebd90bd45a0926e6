"""The words of an attachment: text/plain and text/html, decoded and cut to a size. Never a narrative div.

Source: FHIR R4 Attachment, Binary.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64

from fhir_trial.records.page import Page
from fhir_trial.records.raw import Json

LARGEST_ATTACHMENT = 512 * 1024  # bytes, decoded
_PLAIN = ("text/plain", "text/markdown", "text/x-markdown")
_MARKED_UP = ("text/html", "application/xhtml+xml")
_SILENT_TAGS = ("script", "style", "head")


def read_attachment(page: Page, attachment: Json, path: str) -> tuple[str | None, bool]:
    """(its words, whether it was read whole). What is a PDF, an image or elsewhere is not read."""
    kind = page.string(attachment, "contentType", path) or ""
    data = page.string(attachment, "data", path)
    if data is None:
        binary = page.find(page.string(attachment, "url", path))
        if binary is not None and binary.get("resourceType") == "Binary":
            kind = kind or page.string(binary, "contentType", path) or ""
            data = page.string(binary, "data", path)
    media, _, parameters = kind.partition(";")
    media = media.strip().lower()
    if data is None or media not in (*_PLAIN, *_MARKED_UP):
        return None, False
    raw = _decoded(page, data, path)
    if raw is None:
        return None, False
    text = _text(raw[:LARGEST_ATTACHMENT], parameters)
    whole = len(raw) <= LARGEST_ATTACHMENT
    if not whole:
        page.note("text-cut", "Longer than is read; the rest was left.", f"{path}.data")
    return (_without_tags(page, text, path) if media in _MARKED_UP else text), whole


def _decoded(page: Page, data: str, path: str) -> bytes | None:
    limit = LARGEST_ATTACHMENT * 2  # base64 is four thirds of what it holds, and may have line breaks
    try:
        return b64decode(data[: limit - limit % 4])
    except (NotBase64, ValueError):
        page.note("attachment-not-decoded", "Not base64.", f"{path}.data")
        return None


def _text(raw: bytes, parameters: str) -> str:
    """In the charset that contentType names, else UTF-8; what does not fit is replaced."""
    name = parameters.lower().partition("charset=")[2].strip(" \"'") or "utf-8"
    try:
        return raw.decode(name, errors="replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", errors="replace")


def _without_tags(page: Page, text: str, path: str) -> str | None:
    from html.parser import HTMLParser

    said: list[str] = []

    class Words(HTMLParser):
        silent = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.silent += tag in _SILENT_TAGS
            said.append(" ")

        def handle_endtag(self, tag: str) -> None:
            self.silent -= tag in _SILENT_TAGS and self.silent > 0
            said.append(" ")

        def handle_data(self, data: str) -> None:
            if not self.silent:
                said.append(data)

    try:
        parser = Words(convert_charrefs=True)
        parser.feed(text)
        parser.close()
    except (AssertionError, ValueError):
        page.note("attachment-not-decoded", "Not HTML.", f"{path}.data")
        return None
    return " ".join("".join(said).split())
