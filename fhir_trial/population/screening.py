"""The whole way: signs, records of whoever shows one, verdicts; in several processes, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import merge
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from fhir_trial.errors import SourceError
from fhir_trial.population.asking import Population, Progress, Question, Told, tell_nobody
from fhir_trial.population.desk import Desk
from fhir_trial.population.folder import Folder, Part, has_changed, look_into, parts
from fhir_trial.population.gathering import Gathered
from fhir_trial.population.remarks import remarks_of
from fhir_trial.population.rows import Row
from fhir_trial.population.working import Workers, workers

Done = TypeVar("Done")

#: Bytes of a pile, about: so much, and one patient's record, is in memory at a time.
_PILE = 8 * 1024 * 1024
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
            run.find()
            run.gather()
            yield run.population, run.rows()


class _Run:
    """One screening of one folder."""

    def __init__(self, folder: Folder, desk: Desk, hands: Workers, told: Told) -> None:
        self._folder, self._desk, self._hands, self._told = folder, desk, hands, told
        self._parts = [part for file in folder.files for part in parts(file)]
        self._piles = 1
        self.population = Population()

    def find(self) -> None:
        """Who shows a sign."""
        question = self._desk.question
        if question.looks_at_all:
            self._split(None, sum(file.size * (_PACKED if file.is_gzip else 1) for file in self._folder.files))
            return
        found: dict[str, int] = {}
        for signs in self._each_part("signs", _find):
            for patient, mask in signs.items():
                found[patient] = found.get(patient, 0) | mask
        self.population.candidates = len(found)
        for nth, trial in enumerate(question.trials):
            self.population.signs[trial.trial.id] = sum(mask >> nth & 1 for mask in found.values())
        self._split(frozenset(found), len(found) * _A_RECORD)

    def gather(self) -> None:
        """Their records, and what the export says of itself."""
        gathered = sorted(self._each_part("records", _gather), key=lambda one: (one.part.file.number, one.part.start))
        if any(has_changed(file) for file in self._folder.files):
            raise SourceError("A file of the folder changed while it was read: wait until the export is whole, and run again.")
        found = self.population
        self._desk.hand_on_remarks(remarks_of(self._folder, self._desk.folder, gathered, found.report))
        found.lines = sum(one.lines for one in gathered)
        found.patients = found.report.resources["Patient"]

    def rows(self) -> Iterator[Row]:
        """By patient, then trial."""
        piles = range(self._piles)
        for nth, _ in enumerate(self._hands.each(_screen, piles), 1):
            self._told(Progress("verdicts", nth, len(piles)))
        yield from merge(*map(self._desk.rows, piles), key=lambda row: (row.patient, row.trial, row.version))

    def _split(self, patients: frozenset[str] | None, size: int) -> None:
        self._piles = max(1, min(size // _PILE, _MOST_PILES))
        self._desk.hand_on_patients(patients, self._piles)

    def _each_part(self, stage: str, work: Callable[[Part], Done]) -> Iterator[Done]:
        done = 0
        for part, found in self._hands.each(work, self._parts):
            done += (part.stop or part.file.size) - part.start
            self._told(Progress(stage, done, self._folder.size))
            yield found


#: Of this process, for as long as it works for one run.
_DESK: list[Desk] = []


def _sit_down(desk: Desk) -> None:
    _DESK[:] = [desk]


def _find(part: Part) -> dict[str, int]:
    return _DESK[0].find(part)


def _gather(part: Part) -> Gathered:
    return _DESK[0].gather(part)


def _screen(pile: int) -> int:
    return _DESK[0].screen(pile)
