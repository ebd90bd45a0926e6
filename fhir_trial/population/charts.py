"""One patient at a time out of a pile, just as reading all files at once would have put the record together."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from fhir_trial.population.gathering import SHARED, Frame, frame_at, places_of
from fhir_trial.population.remarks import Remarks
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources.documents import Document, Entry
from fhir_trial.sources.grouping import Grouping, references
from fhir_trial.sources.patient_links import last_two, without_version
from fhir_trial.sources.report import ReadReport
from fhir_trial.transport import decode_json

_DRAWERS: Final = 256
_FILE: Final = 44  # bits of a place within a file; those above say in which file
_WITHIN: Final = (1 << _FILE) - 1


class SharedLines:
    """What belongs to no patient, and is referred to: Medication, Organization and the like, by name.

    A hospital may have many more of them than fit into memory: kept is only where each stands, sixteen bytes a line.

    Args:
        piles: The folder of the piles.
    """

    def __init__(self, piles: Path) -> None:
        self._paths = sorted(piles.glob(f"{SHARED}.*"))
        self._drawers = [_Drawer() for _ in range(_DRAWERS)]
        self.is_empty = True
        for number, path in enumerate(self._paths):
            for at, frame in places_of(path):
                if frame.name:
                    self.is_empty = False
                    self._drawer_of(frame.name).add(frame.name, number << _FILE | at)
        for drawer in self._drawers:
            drawer.sort()

    def referred_to(self, entries: Iterable[Entry]) -> Iterator[tuple[int, Entry]]:
        """What these refer to, directly or through one another, each with the number of its file."""
        if self.is_empty:
            return
        seen: set[str] = set()
        frontier = list(entries)
        while frontier:
            names = {last_two(without_version(link)) for entry in frontier for link in references(entry.resource)} - seen
            seen |= names
            frontier = []
            for frame in (frame for name in sorted(names) for frame in self._named(name)):
                entry = _entry(frame)
                frontier.append(entry)
                yield frame.file, entry

    def _named(self, name: str) -> list[Frame]:
        """The lines of a name, as they stand in the files of the export."""
        frames = [self._read(place) for place in self._drawer_of(name).places(name)]
        return sorted((frame for frame in frames if frame.name == name), key=_in_the_export)

    def _read(self, place: int) -> Frame:
        with self._paths[place >> _FILE].open("rb") as opened:
            return frame_at(opened, place & _WITHIN)

    def _drawer_of(self, name: str) -> _Drawer:
        return self._drawers[hash(name) % _DRAWERS]


class _Drawer:
    """Names and places, as two columns of numbers in the order of the names' hashes."""

    def __init__(self) -> None:
        self._hashes, self._places = array("q"), array("Q")

    def add(self, name: str, place: int) -> None:
        self._hashes.append(hash(name))
        self._places.append(place)

    def sort(self) -> None:
        order = sorted(range(len(self._hashes)), key=self._hashes.__getitem__)
        self._hashes = array("q", map(self._hashes.__getitem__, order))
        self._places = array("Q", map(self._places.__getitem__, order))

    def places(self, name: str) -> Sequence[int]:
        """Of a name, and perhaps of others with the same hash."""
        wanted = hash(name)
        return self._places[bisect_left(self._hashes, wanted) : bisect_right(self._hashes, wanted)]


def charts_of(piles: Path, pile: str, types: frozenset[str], remarks: Remarks, shared: SharedLines) -> Iterator[RawPatient]:
    """The patients of a pile, in the order of the reference; whoever has no Patient resource is none.

    Of the pile, only one patient's lines are in memory, and where all others stand.

    Args:
        types: Of resources that are looked at; empty for all.
    """
    paths = sorted(piles.glob(f"{pile}.*"))
    places: dict[str, array[int]] = defaultdict(partial(array, "Q"))
    for number, path in enumerate(paths):
        for at, frame in places_of(path):
            places[frame.name].append(number << _FILE | at)
    with ExitStack() as stack:
        opened = [stack.enter_context(path.open("rb")) for path in paths]
        for patient in sorted(places):
            frames = (frame_at(opened[place >> _FILE], place & _WITHIN) for place in places[patient])
            yield from _chart(sorted(frames, key=_in_the_export), types, remarks, shared)


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


def _in_the_export(frame: Frame) -> tuple[int, int]:
    """By file, then place."""
    return frame.file, frame.place


def _entry(frame: Frame) -> Entry:
    return Entry(decode_json(frame.line), None, f"{frame.file}:{frame.place}")
