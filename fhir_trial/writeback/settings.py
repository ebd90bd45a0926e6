"""What the machine may write, by the site's leave. Each default is the most careful choice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from fhir_trial.errors import WriteRefusedError

EXAMPLE_BASE = "https://example.org/fhir-trial"


class WriteBack(StrEnum):
    """Which patients are flagged on the server."""

    OFF = "off"
    CANDIDATES = "candidates"
    WORK_LIST = "work-list"


class Observations(StrEnum):
    """Which patients get an eligibility Observation."""

    WITH_SUBJECT = "with-subject"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """Settings of the write-back.

    Attributes:
        write_back: ``off``: nothing leaves. ``candidates``: the potentially eligible. ``work-list``: the undecided too.
        create_study: Whether a missing ResearchStudy is created.
        observations: ``with-subject``: beside each ResearchSubject. ``all``: for every patient screened (research stores).
        base: Under which our identifiers and code systems stand (R40).
        former_bases: Earlier bases, whose resources are still ours.
        tenant: The site's name, part of every identifier.
        provenance: Whether a new Observation gets its Provenance, where the server takes one.
        transactions: Whether subject, result and Provenance go in one transaction, where the server offers it.
        note_code: LOINC code under which the site files notes; empty: no note is written.
        export_folder: Where results are put as files for the coordinator; None: nowhere.
    """

    write_back: WriteBack = WriteBack.OFF
    create_study: bool = False
    observations: Observations = Observations.WITH_SUBJECT
    base: str = EXAMPLE_BASE
    former_bases: tuple[str, ...] = ()
    tenant: str = "default"
    provenance: bool = True
    transactions: bool = False
    note_code: str = ""
    export_folder: Path | None = None

    @property
    def bases(self) -> tuple[str, ...]:
        """Every base under which a resource is ours, the current one first."""
        return tuple(base.rstrip("/") for base in (self.base, *self.former_bases))

    def check(self, *, is_loopback: bool) -> None:
        """WriteRefusedError when the base would put another's name, or no name, on a hospital's server."""
        parts = urlsplit(self.base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WriteRefusedError("The identifier base must be an http(s) URL of the site's own.")
        host = parts.hostname
        if (host == "example.org" or host.endswith(".example.org")) and not is_loopback:
            raise WriteRefusedError("The identifier base is still example.org: set the site's own before writing to a server.")


#: What the sandbox allows: everything that can be shown.
SANDBOX = WriteSettings(WriteBack.WORK_LIST, create_study=True, observations=Observations.ALL)
