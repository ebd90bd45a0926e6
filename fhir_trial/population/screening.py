"""The whole way: signs, records of whoever shows one, verdicts; in several processes, in memory that does not grow."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from multiprocessing import parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from fhir_trial.errors import SourceError
from fhir_trial.population.asking import Population, Progress, Question, Told, tell_nobody
from fhir_trial.population.desk import Desk, Errand
from fhir_trial.population.finding import Signs, merge_signs, shows_diagnoses
from fhir_trial.population.folder import Folder, Part, has_changed, look_into, parts
from fhir_trial.population.gathering import Gathered
from fhir_trial.population.remarks import remarks_of
from fhir_trial.population.rows import Row
from fhir_trial.population.working import Workers, workers

Item = TypeVar("Item")
Done = TypeVar("Done")

#: Bytes of a pile, about: so much, and one patient's record, is in memory at a time.
_PILE = 8 * 1024 * 1024
_PILES_EACH = 4  # at least, for each process: few large ones would leave one process waiting for the other
_A_RECORD = 256 * 1024
_PACKED = 10  # times smaller, about, is a packed file
_MOST_PILES = 400  # each is a file, open in each process


@contextmanager
def screened(folder: Path, question: Question, told: Told = tell_nobody) -> Iterator[tuple[Population, Iterator[Row]]]:
    """What was found, and a row for each patient looked at and each trial, by patient, then trial; both hold within the context.

    Raises:
        SourceError: No NDJSON is there; it holds Bundles; a file changed while it was read; the disk is full.
    """
    seen = look_into(folder)
    with TemporaryDirectory(prefix="fhir-trial-") as workspace:
        desk = Desk(question, Path(workspace))
        with workers(question.processes, _sit_down, desk) as hands:
            run = _Run(seen, desk, hands, told)
            run.gather(run.find())
            yield run.population, run.rows()


class _Run:
    """One screening of one folder."""

    def __init__(self, folder: Folder, desk: Desk, hands: Workers, told: Told) -> None:
        self._folder, self._desk, self._hands, self._told = folder, desk, hands, told
        self._parts = sorted((part for file in folder.files for part in parts(file)), key=_bytes_of, reverse=True)
        self._piles = 1
        self._signs: Signs = {}
        self.population = Population()

    def find(self) -> frozenset[Part]:
        """Who shows a sign; in which parts it was looked for, since most files hold no diagnosis."""
        if self._desk.question.looks_at_all:
            return frozenset(self._parts)
        looked_in = [part for part in self._parts if shows_diagnoses(part)]
        for signs in self._each("signs", _find, [(part, part) for part in looked_in]):
            merge_signs(self._signs, signs)
        return frozenset(looked_in)

    def gather(self, looked_in: frozenset[Part]) -> None:
        """Their records, and what the export says of itself; anew if diagnoses elsewhere show signs of others."""
        gathered, known = self._laid_aside(1, looked_in), len(self._signs)
        for one in gathered:
            merge_signs(self._signs, one.signs)
        if len(self._signs) > known:
            gathered = self._laid_aside(2, frozenset(self._parts))
        if has_changed(self._folder):
            raise SourceError("A file of the folder changed while it was read: wait until the export is whole, and run again.")
        found = self.population
        self._desk.hand_on_remarks(remarks_of(self._folder, self._desk.folder, gathered, found.report))
        found.lines = sum(one.lines for one in gathered)
        found.patients = found.report.resources["Patient"]
        if not self._desk.question.looks_at_all:
            self._count_signs(frozenset().union(*(one.present or () for one in gathered)))

    def rows(self) -> Iterator[Row]:
        """By patient, then trial."""
        piles = range(self._piles)
        for nth, _ in enumerate(self._hands.each(_screen, piles), 1):
            self._told(Progress("verdicts", nth, len(piles)))
        yield from merge(*map(self._desk.rows, piles), key=lambda row: (row.patient, row.trial, row.version))

    def _laid_aside(self, turn: int, looked_in: frozenset[Part]) -> list[Gathered]:
        """Every part, in order."""
        everyone = self._desk.question.looks_at_all
        size = sum(file.size * (_PACKED if file.is_gzip else 1) for file in self._folder.files) if everyone else 0
        shared_out = min(self._desk.question.processes * _PILES_EACH, len(self._signs)) if not everyone else 1
        self._piles = max(1, min(max((size or len(self._signs) * _A_RECORD) // _PILE, shared_out), _MOST_PILES))
        self._desk.hand_on_patients(turn, None if everyone else frozenset(self._signs), self._piles)
        errands = [(part, Errand(part, turn, part not in looked_in)) for part in self._parts]
        return sorted(self._each("records", _gather, errands), key=lambda one: (one.part.file.number, one.part.start))

    def _count_signs(self, present: frozenset[str]) -> None:
        """A diagnosis may name somebody who is not in the export."""
        shown = [mask for patient, mask in self._signs.items() if patient in present]
        self.population.candidates = len(shown)
        for nth, trial in enumerate(self._desk.question.trials):
            self.population.signs[trial.trial.id] = sum(mask >> nth & 1 for mask in shown)

    def _each(self, stage: str, work: Callable[[Item], Done], items: Sequence[tuple[Part, Item]]) -> Iterator[Done]:
        done, whole = 0, sum(_bytes_of(part) for part, _ in items)
        part_of = dict(zip((item for _, item in items), (part for part, _ in items), strict=True))
        for item, found in self._hands.each(work, list(part_of)):
            done += _bytes_of(part_of[item])
            self._told(Progress(stage, done, whole))
            yield found


def _bytes_of(part: Part) -> int:
    return (part.stop or part.file.size) - part.start


#: Of this process, for as long as it works for one run.
_DESK: list[Desk] = []


def _sit_down(desk: Desk) -> None:
    _DESK[:] = [desk]
    if parent_process() is not None:
        gc.freeze()  # what is known by now stays, and need not be looked through again and again


def _find(part: Part) -> Signs:
    return _DESK[0].find(part)


def _gather(errand: Errand) -> Gathered:
    return _DESK[0].gather(errand)


def _screen(pile: int) -> int:
    return _DESK[0].screen(pile)
