"""Resources sorted by patient: references resolved, copies merged, what belongs to nobody counted (VER-06, VER-07).

A reference is looked up in its own document first, then everywhere. Wrong-patient data is worse than missing data: where a
reference names another server's record, or several patients answer to it, nobody gets the resource (DATA-47, R33).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fhir_trial.records.model import Issue
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources.claims import Claim, claims_of_manifest, names_error_files, states_for
from fhir_trial.sources.documents import Document, Entry
from fhir_trial.sources.newest import is_ordered, replaces
from fhir_trial.sources.patient_links import (
    MAY_LACK_PATIENT,
    PATIENT_LINK,
    SHARED_TYPES,
    STATE_ABSENCE,
    last_two,
    patient_link,
    without_version,
)
from fhir_trial.sources.report import ReadReport

Json = dict[str, Any]
_AMBIGUOUS = ""


@dataclass(slots=True)
class _Chart:
    """What was found of one patient."""

    copies: list[Json] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    scopes: set[int] = field(default_factory=set)
    urls: set[str] = field(default_factory=set)
    issues: list[Issue] = field(default_factory=list)


class Grouping:
    """Takes documents in, gives patients out.

    Args:
        wanted: Types to keep, beside Patient and what is referred to; empty keeps all.
    """

    def __init__(self, wanted: frozenset[str], report: ReadReport) -> None:
        self._wanted = wanted
        self._report = report
        self._charts: dict[str, _Chart] = {}
        self._in_document: list[dict[str, str]] = []  # per document: fullUrl -> patient
        self._everywhere: dict[str, str] = {}  # fullUrl or urn -> patient, "" when several answer
        self._waiting: list[tuple[int, Entry]] = []
        self._shared: dict[str, Entry] = {}
        self._shared_in_document: list[dict[str, Entry]] = []
        self._claims: list[Claim] = []
        self._manifests: list[Json] = []
        self._deleted: set[str] = set()

    def add(self, document: Document) -> None:
        number = len(self._in_document)
        self._in_document.append({})
        self._shared_in_document.append({})
        self._claims += [
            claim if claim.scope is None else Claim(claim.state, claim.types, claim.patients, number) for claim in document.claims
        ]
        self._deleted |= document.deleted
        if document.manifest is not None:
            self._manifests.append(document.manifest)
        for entry in document.entries:
            self._add_entry(number, entry)

    def patients(self) -> Iterator[RawPatient]:
        """Each patient once, in the order of the reference (VER-08)."""
        self._deal_out()
        for manifest in self._manifests:
            for claim in claims_of_manifest(manifest, self._report.resources):
                self._claims.append(claim)
                for kind in claim.types:
                    self._report.note("export-incomplete", "manifest", f"It promises more {kind} than there are files to read.")
            if names_error_files(manifest):
                self._report.note("export-incomplete", "manifest", "The export reports errors: see its error files.")
        for reference in sorted(self._charts):
            yield self._raw_patient(reference, self._charts[reference])

    def _add_entry(self, number: int, entry: Entry) -> None:
        kind = entry.resource["resourceType"]
        self._report.resources[kind] += 1
        if kind == "Patient":
            self._add_patient(number, entry)
        elif kind in PATIENT_LINK:
            self._waiting.append((number, entry))
        elif kind in SHARED_TYPES:
            for name in _names(entry):
                self._shared_in_document[number][name] = entry
                if name not in self._shared or replaces(entry.resource, self._shared[name].resource):
                    self._shared[name] = entry

    def _add_patient(self, number: int, entry: Entry) -> None:
        reference = _reference(entry) or entry.full_url or made_up_name(entry)
        chart = self._charts.setdefault(reference, _Chart())
        if entry.resource not in chart.copies:
            chart.copies.append(entry.resource)
        chart.scopes.add(number)
        if entry.full_url is not None:
            chart.urls.add(entry.full_url)
            self._in_document[number][entry.full_url] = reference
            if entry.full_url.startswith("http"):  # a relative reference of this Bundle starts at the same base
                self._in_document[number].setdefault(last_two(entry.full_url), reference)
            known = self._everywhere.setdefault(entry.full_url, reference)
            if known != reference:
                self._everywhere[entry.full_url] = _AMBIGUOUS

    def _deal_out(self) -> None:
        named = cache(self._patient_named)  # everything is in by now, and most resources name the same few patients
        for number, entry in self._waiting:
            link = patient_link(entry.resource)
            if link is None:
                if entry.resource["resourceType"] not in MAY_LACK_PATIENT:
                    self._report.count("no-subject")
                continue
            reference = named(link, number)
            if reference is not None:
                self._file(entry, number, self._charts[reference])
            elif "/" in link and not link.startswith("urn:") and not last_two(link).startswith("Patient/"):
                self._report.count("subject-not-a-patient")
            else:
                self._report.count("absent-patient")
        self._waiting.clear()

    def _patient_named(self, link: str, number: int) -> str | None:
        link = without_version(link)
        here = self._in_document[number].get(link)
        if here is not None:
            return here
        if link.startswith("urn:uuid:"):
            by_id = f"Patient/{link.removeprefix('urn:uuid:')}"
            return self._everywhere.get(link) or (by_id if by_id in self._charts else None)
        if not link.startswith(("http://", "https://")):
            return link if link in self._charts else self._everywhere.get(link) or None
        if link in self._everywhere:
            return self._everywhere[link] or None
        local = last_two(link)
        chart = self._charts.get(local)
        # Known under another server's address only: the same id there is another person.
        is_elsewhere = chart is not None and any(url.startswith("http") for url in chart.urls)
        return local if chart is not None and not is_elsewhere else None

    def _file(self, entry: Entry, number: int, chart: _Chart) -> None:
        if self._wanted and entry.resource["resourceType"] not in self._wanted | STATE_ABSENCE:
            return
        name = _reference(entry) or entry.full_url or f"{entry.place}#{len(chart.entries)}"
        chart.scopes.add(number)
        known = chart.entries.get(name)
        if known is None:
            chart.entries[name] = entry
            return
        if known.resource != entry.resource and not is_ordered(known.resource, entry.resource):
            text = "Two copies differ and no version orders them; the one read last counts."
            chart.issues.append(Issue("copies-differ", "warning", name, None, text))
        if replaces(entry.resource, known.resource):
            chart.entries[name] = entry

    def _raw_patient(self, reference: str, chart: _Chart) -> RawPatient:
        entries = [entry for name, entry in chart.entries.items() if name not in self._deleted]
        entries += self._referred_to(entries, chart.scopes)
        names: dict[int, str] = {}
        by_reference: dict[str, Json] = {}
        for entry in entries:
            ways = list(_names(entry))
            names[id(entry.resource)] = ways[0] if ways else made_up_name(entry)
            by_reference.update(dict.fromkeys(ways, entry.resource))
        states, default = states_for(self._claims, reference, frozenset(chart.scopes))
        chart.copies.sort(key=_by_age)
        return RawPatient(
            reference=reference,
            patients=tuple(chart.copies),
            resources=tuple(entry.resource for entry in entries),
            by_reference=by_reference | dict.fromkeys(chart.urls, chart.copies[-1]),
            names=names,
            states=states,
            default_state=default,
            issues=tuple(chart.issues),
        )

    def _referred_to(self, entries: list[Entry], scopes: set[int]) -> list[Entry]:
        """Medications and the like that these resources refer to, directly or through one another."""
        if not self._shared:
            return []
        found: dict[int, Entry] = {}
        frontier = entries
        while frontier:
            reached: list[Entry] = []
            for entry in frontier:
                for link in references(entry.resource):
                    target = self._shared_named(without_version(link), scopes)
                    if target is not None and id(target) not in found:
                        found[id(target)] = target
                        reached.append(target)
            frontier = reached
        return list(found.values())

    def _shared_named(self, link: str, scopes: set[int]) -> Entry | None:
        for number in scopes:
            if (entry := self._shared_in_document[number].get(link)) is not None:
                return entry
        return self._shared.get(link) or (self._shared.get(last_two(link)) if link.startswith("http") else None)


def _reference(entry: Entry) -> str | None:
    identity = entry.resource.get("id")
    return f"{entry.resource['resourceType']}/{identity}" if isinstance(identity, str) and identity else None


def _names(entry: Entry) -> Iterator[str]:
    """Every way to name it, first that by which evidence does."""
    reference = _reference(entry)
    if reference is not None:
        yield reference
    if entry.full_url is not None:
        yield entry.full_url
        if reference is None and entry.full_url.startswith("http"):
            yield last_two(entry.full_url)


def made_up_name(entry: Entry) -> str:
    """What has neither id nor fullUrl is still named, the same in every run."""
    return uuid.uuid5(uuid.NAMESPACE_URL, repr(sorted(entry.resource.items(), key=str))).urn


def _by_age(copy: Json) -> tuple[str, str]:
    meta = copy.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    return str(meta.get("versionId") or "").zfill(18), str(meta.get("lastUpdated") or "")


def references(node: object) -> Iterator[str]:
    """Every literal reference in a resource."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            reference = item.get("reference")
            if isinstance(reference, str):
                yield reference
            stack += [value for value in item.values() if isinstance(value, (dict, list))]
        elif isinstance(item, list):
            stack += [value for value in item if isinstance(value, (dict, list))]


__all__ = ["Grouping", "made_up_name", "references"]
