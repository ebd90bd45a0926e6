"""A hospital, patient by patient, and as the files of its export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import IO, Final

import msgspec

from benchmarks.generate.ballast import Ballast
from benchmarks.generate.clinical import Clinic, shared
from benchmarks.generate.people import Person, people, somebody_else

#: Hidden, so that no reader of the folder takes it for a part of the export.
TRUTH: Final = ".truth.ndjson"
_ELSEWHERE: Final = 0.01  # people of whom there are resources, and no Patient
_BROKEN: Final = 0.02
_BUFFER: Final = 1 << 20


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """The truth about one patient.

    Attributes:
        diseases: Trial whose disease she has -> the form in which her records say so.
        signs: Trials of which she ought to be a candidate.
        look_alike: The form of a record that only looks like a disease.
    """

    patient: str
    diseases: dict[str, str] = {}
    signs: tuple[str, ...] = ()
    look_alike: str | None = None


@dataclass(frozen=True, slots=True)
class Hospital:
    """Which one.

    Attributes:
        prevalence: Of each trial's disease.
        ballast: Of resources that no trial reads, as a share of the usual: 1 makes about 200 kB a patient.
        broken_lines: With lines that break off.
        medications: Resources of type Medication, which belong to no patient.
    """

    patients: int
    seed: int = 5
    prevalence: float = 0.02
    ballast: float = 1.0
    broken_lines: bool = False
    medications: int = 400

    def records(self) -> Iterator[tuple[Known | None, Iterator[tuple[str, bytes]]]]:
        """For each patient, what is true of her, and lines by type; None for what is nobody's."""
        dice = Random(self.seed)
        clinic, ballast = Clinic(self.medications, dice), Ballast(self.ballast, dice)
        yield None, shared(self.medications)
        for person in people(self.patients, self.prevalence, dice):
            yield _known(person), self._of(person, clinic, ballast)
            if dice.random() < _ELSEWHERE:
                yield None, clinic.some(somebody_else(dice))
            if self.broken_lines and dice.random() < _BROKEN:
                yield None, _broken(person)

    def _of(self, person: Person, clinic: Clinic, ballast: Ballast) -> Iterator[tuple[str, bytes]]:
        yield from clinic.chart(person)
        yield from ballast.of(person)


def write_hospital(folder: Path, hospital: Hospital) -> None:
    """One file for each type, and the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        truth = stack.enter_context((folder / TRUTH).open("wb"))
        files: dict[str, IO[bytes]] = {}
        for known, lines in hospital.records():
            if known is not None:
                truth.write(msgspec.json.encode(known) + b"\n")
            for kind, line in lines:
                opened = files.get(kind)
                if opened is None:
                    path = folder / f"{kind}.ndjson"
                    opened = files[kind] = stack.enter_context(path.open("wb", buffering=_BUFFER))
                opened.write(line)


def truth_of(folder: Path) -> Iterator[Known]:
    """What is true of each patient of a generated folder."""
    with (folder / TRUTH).open("rb") as opened:
        for line in opened:
            yield msgspec.json.decode(line, type=Known)


def _known(person: Person) -> Known:
    return Known(
        f"Patient/{person.identity.decode()}",
        {each.trial: each.form for each in person.diagnoses if each.trial is not None},
        tuple(each.trial for each in person.diagnoses if each.trial is not None and each.sign),
        next((each.form for each in person.diagnoses if each.trial is None), None),
    )


def _broken(person: Person) -> Iterator[tuple[str, bytes]]:
    """One that names its patient, and one that names nobody."""
    yield "Observation", b'{"resourceType":"Observation","subject":{"reference":"Patient/%b"},"valueQua\n' % person.identity
    yield "Procedure", b'{"resourceType":"Procedure","status":"comp\n'
