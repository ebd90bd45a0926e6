"""What each process of a run does, and knows: the question, and a folder through which the processes hand on what they found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from fhir_trial.population.asking import LEFT_OUT, Question
from fhir_trial.population.charts import SharedLines, charts_of
from fhir_trial.population.finding import find_signs
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


@dataclass(frozen=True)
class Desk:
    """Where one process works. What it reads of the folder it keeps, since it is written once before it is asked for."""

    question: Question
    folder: Path

    # --- handed on ---

    def hand_on_patients(self, patients: frozenset[str] | None, piles: int) -> None:
        """Whose records are wanted, None for everybody's, and in how many piles."""
        (self.folder / "patients").write_bytes(msgspec.msgpack.encode(_Split(patients, piles)))

    def hand_on_remarks(self, remarks: Remarks) -> None:
        """What the export says of itself."""
        (self.folder / "remarks").write_bytes(msgspec.msgpack.encode(remarks))

    @cached_property
    def wanted(self) -> Wanted:
        split = msgspec.msgpack.decode((self.folder / "patients").read_bytes(), type=_Split)
        return Wanted(self.question.types, split.patients, split.piles)

    @cached_property
    def _remarks(self) -> Remarks:
        return msgspec.msgpack.decode((self.folder / "remarks").read_bytes(), type=Remarks)

    @cached_property
    def _shared(self) -> SharedLines:
        return SharedLines(self.folder)

    # --- work ---

    def find(self, part: Part) -> dict[str, int]:
        """The patients of a part who show a sign, with the bit of each trial."""
        return find_signs(part, [trial.signs for trial in self.question.trials])

    def gather(self, part: Part) -> Gathered:
        """Lays the records of a part aside."""
        with Piles(self.folder, str(os.getpid())) as piles:
            return gather(part, self.wanted, piles)

    def screen(self, pile: int) -> int:
        """The verdicts on a pile, written as rows; how many."""
        path = self.folder / f"{pile}.rows"
        path.touch(_OWNER_ONLY)
        count = 0
        with path.open("wb") as opened:
            for raw in charts_of(self.folder, str(pile), self.question.types, self._remarks, self._shared):
                for row in self._rows_of(raw):
                    opened.write(msgspec.json.encode(row) + b"\n")
                    count += 1
        return count

    def rows(self, pile: int) -> Iterator[Row]:
        """What ``screen`` wrote, by patient, then trial."""
        with (self.folder / f"{pile}.rows").open("rb") as opened:
            for line in opened:
                yield msgspec.json.decode(line, type=Row)

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
