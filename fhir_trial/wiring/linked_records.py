"""Other records of the same person, which the patient's own record names: who has opted out by one of them has done so (SEC-36).

Source: FHIR R4 Patient.link: every type of link leads to a record "that concerns the same actual patient".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources.patient_links import without_version


def linked_records(raw: RawPatient, bases: Iterable[str]) -> Iterator[str]:
    """``Patient/id`` of each.

    Args:
        bases: Of the server: its address and its aliases. A link into another server leads to no patient of ours.
    """
    for patient in raw.patients:
        links = patient.get("link")
        for link in links if isinstance(links, list) else ():
            reference = _local(link, bases)
            if reference is not None and reference != raw.reference:
                yield reference


def _local(link: Any, bases: Iterable[str]) -> str | None:
    other = link.get("other") if isinstance(link, dict) else None
    reference = other.get("reference") if isinstance(other, dict) else None
    if not isinstance(reference, str):
        return None
    reference = without_version(reference.strip())
    for base in bases:
        reference = reference.removeprefix(f"{base}/")
    return reference if reference.startswith("Patient/") and reference.count("/") == 1 else None
