"""One patient at a time out of a pile, just as reading all files at once would have put the record together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from fhir_trial.population.gathering import SHARED, Frame, frames_of
from fhir_trial.population.heads import head_of
from fhir_trial.population.remarks import Remarks
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources.documents import Document, Entry
from fhir_trial.sources.grouping import Grouping, references
from fhir_trial.sources.patient_links import last_two, without_version
from fhir_trial.sources.report import ReadReport
from fhir_trial.transport import decode_json


class SharedLines:
    """What belongs to no patient, and is referred to: Medication, Organization and the like, by name.

    Args:
        piles: The folder of the piles.
    """

    def __init__(self, piles: Path) -> None:
        self._by_name: dict[str, list[Frame]] = defaultdict(list)
        for frame in frames_of(piles, SHARED):
            name = head_of(frame.line).name
            if name is not None:
                self._by_name[name].append(frame)

    def referred_to(self, entries: Iterable[Entry]) -> Iterator[tuple[int, Entry]]:
        """What these refer to, directly or through one another, each with the number of its file."""
        if not self._by_name:
            return
        seen: set[str] = set()
        frontier = list(entries)
        while frontier:
            names = {last_two(without_version(link)) for entry in frontier for link in references(entry.resource)} - seen
            seen |= names
            frontier = []
            for frame in (frame for name in sorted(names) for frame in self._by_name.get(name, ())):
                entry = _entry(frame)
                frontier.append(entry)
                yield frame.file, entry


def charts_of(piles: Path, pile: str, types: frozenset[str], remarks: Remarks, shared: SharedLines) -> Iterator[RawPatient]:
    """The patients of a pile, in the order of the reference; whoever has no Patient resource is none.

    Args:
        types: Of resources that are looked at; empty for all.
    """
    frames: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames_of(piles, pile):
        frames[head_of(frame.line).patient or ""].append(frame)
    for patient in sorted(frames):
        yield from _chart(frames[patient], types, remarks, shared)


def _chart(frames: list[Frame], types: frozenset[str], remarks: Remarks, shared: SharedLines) -> Iterator[RawPatient]:
    by_file: dict[int, list[Entry]] = defaultdict(list)
    for frame in frames:
        by_file[frame.file].append(_entry(frame))
    own = [entry for entries in by_file.values() for entry in entries]
    for number, entry in shared.referred_to(own):
        by_file[number].append(entry)
    grouping = Grouping(types, ReadReport())
    grouping.add(Document("export", [], list(remarks.of_all), set(remarks.deleted)))
    for number in sorted(by_file):
        grouping.add(Document(remarks.names[number], by_file[number], list(remarks.of_files.get(number, ()))))
    yield from grouping.patients()


def _entry(frame: Frame) -> Entry:
    return Entry(decode_json(frame.line), None, f"{frame.file}:{frame.place}")
