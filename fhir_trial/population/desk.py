"""What each process of a run does, and knows: the question, and a folder through which the processes hand on what they found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from fhir_trial.errors import SourceError
from fhir_trial.population.asking import LEFT_OUT, Question
from fhir_trial.population.charts import SharedLines, charts_of
from fhir_trial.population.finding import Masks, Signs, find_signs
from fhir_trial.population.folder import Part
from fhir_trial.population.gathering import Gathered, Piles, Wanted, gather
from fhir_trial.population.remarks import Remarks
from fhir_trial.population.rows import Row, row_of
from fhir_trial.records.own_results import OwnMarks
from fhir_trial.records.reading import read_record
from fhir_trial.screening.inputs import inputs_digest, inputs_of
from fhir_trial.screening.ports import RawPatient
from fhir_trial.screening.screen import judge

_OWNER_ONLY = 0o600


class _Split(msgspec.Struct, frozen=True):
    patients: frozenset[str] | None
    piles: int


@dataclass(frozen=True, slots=True)
class Errand:
    """Lines of a part to be laid aside.

    Attributes:
        turn: Of laying aside, which begins anew when somebody is found to be wanted as well.
        looks: For signs too, since nobody has looked in this part yet.
    """

    part: Part
    turn: int
    looks: bool


@dataclass(frozen=True)
class Desk:
    """Where one process works. What it reads of the folder it keeps, since it is written once before it is asked for."""

    question: Question
    folder: Path
    _turns: dict[int, Wanted] = field(default_factory=dict, init=False, repr=False, compare=False)

    # --- handed on ---

    def hand_on_patients(self, turn: int, patients: frozenset[str] | None, piles: int) -> None:
        """Whose records are wanted, None for everybody's, and in how many piles; what lay there before is gone."""
        for pile in self.folder.glob("*.*"):
            pile.unlink()
        (self.folder / f"patients-{turn}").write_bytes(msgspec.msgpack.encode(_Split(patients, piles)))

    def hand_on_remarks(self, remarks: Remarks) -> None:
        """What the export says of itself."""
        (self.folder / "remarks").write_bytes(msgspec.msgpack.encode(remarks))

    @cached_property
    def _masks(self) -> Masks:
        return Masks([trial.signs for trial in self.question.trials])

    @cached_property
    def _remarks(self) -> Remarks:
        return msgspec.msgpack.decode((self.folder / "remarks").read_bytes(), type=Remarks)

    @cached_property
    def _shared(self) -> SharedLines:
        return SharedLines(self.folder)

    # --- work ---

    def find(self, part: Part) -> Signs:
        """The patients of a part who show a sign, with the bit of each trial."""
        return find_signs(part, self._masks)

    def gather(self, errand: Errand) -> Gathered:
        """Lays the records of a part aside."""
        with Piles(self.folder, str(os.getpid())) as piles:
            return gather(errand.part, self._wanted(errand.turn), piles, self._masks if errand.looks else None)

    def screen(self, pile: int) -> int:
        """The verdicts on a pile, written as rows; how many."""
        path = self.folder / f"{pile}.rows"
        count = 0
        try:
            path.touch(_OWNER_ONLY)
            with path.open("wb") as opened:
                for raw in charts_of(self.folder, str(pile), self.question.types, self._remarks, self._shared):
                    for row in self._rows_of(raw):
                        opened.write(msgspec.json.encode(row) + b"\n")
                        count += 1
        except OSError as error:
            raise SourceError(f"The verdicts cannot be laid aside: {error.strerror}.") from None
        return count

    def rows(self, pile: int) -> Iterator[Row]:
        """What ``screen`` wrote, by patient, then trial."""
        with (self.folder / f"{pile}.rows").open("rb") as opened:
            for line in opened:
                yield msgspec.json.decode(line, type=Row)

    def _wanted(self, turn: int) -> Wanted:
        if turn not in self._turns:
            split = msgspec.msgpack.decode((self.folder / f"patients-{turn}").read_bytes(), type=_Split)
            self._turns.clear()
            self._turns[turn] = Wanted(self.question.types, split.patients, split.piles)
        return self._turns[turn]

    def _rows_of(self, raw: RawPatient) -> Iterator[Row]:
        asked = self.question
        inputs = inputs_digest(inputs_of(raw))
        complete = asked.complete and self._remarks.is_whole
        for trial in sorted(asked.trials, key=lambda trial: (trial.trial.id, trial.trial.version)):
            if not asked.admits(raw.reference, trial.trial.id):
                yield Row(raw.reference, trial.trial.id, trial.trial.version, LEFT_OUT, ())
                continue
            record = read_record(raw, trial.zone, complete=complete, own=OwnMarks(trial.own_bases))
            verdict = judge(
                record, trial, as_of=asked.as_of, first_dose=asked.first_dose, reference=raw.reference, answers=asked.answers
            )
            yield row_of(verdict, record, inputs)
