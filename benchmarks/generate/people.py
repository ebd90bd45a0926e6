"""Whom the hospital knows: what somebody is, what they have, and how their records spell their name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from random import Random
from typing import Any, Final

from benchmarks.chart import AS_OF
from benchmarks.generate.templates import HOSPITAL, Resource

BASE: Final = b"https://ehr.example.invalid/fhir/"
_DAYS_BACK: Final = 4000
#: By how many days before AS_OF.
DAYS: Final = tuple((AS_OF - timedelta(days=back)).isoformat().encode() for back in range(_DAYS_BACK + 1))
_MOST_VISITS: Final = 12
_LOOK_ALIKES: Final = 0.02
_SPELLINGS: Final = 20  # of a reference to a patient: sixteen as it should be, and one each of four others


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A record that says what somebody has, or seems to.

    Attributes:
        trial: Whose disease it is; None for what only looks like one.
    """

    trial: str | None
    form: str
    sign: bool
    raw: Resource


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody.

    Attributes:
        subjects: Spellings of the reference to her, as often as they are written.
        visits: Days before AS_OF, the newest first.
    """

    identity: bytes
    subjects: tuple[bytes, ...]
    female: bool
    birth_date: bytes
    visits: tuple[int, ...]
    diagnoses: tuple[Diagnosis, ...]

    @property
    def is_ill(self) -> bool:
        """With a disease of one of the trials."""
        return any(diagnosis.trial is not None for diagnosis in self.diagnoses)


def people(count: int, prevalence: float, dice: Random) -> Iterator[Person]:
    """So many.

    Args:
        prevalence: Of each trial's disease.
    """
    diseases = {trial: _Drawn(forms) for trial, forms in HOSPITAL["diseases"].items()}
    for _ in range(count):
        identity = _identity(dice)
        found = [
            Diagnosis(trial, form["form"], form["sign"], form)
            for trial, drawn in diseases.items()
            if dice.random() < prevalence
            for form in (drawn.one(dice),)
        ]
        if not found and dice.random() < _LOOK_ALIKES:
            form = dice.choice(HOSPITAL["look_alikes"])
            found.append(Diagnosis(None, form["form"], False, form))
        yield Person(identity, _subjects(identity), dice.random() < 0.5, _birth_date(dice), _visits(dice), tuple(found))


def somebody_else(dice: Random) -> Person:
    """Of whom the export holds resources, and no Patient."""
    identity = _identity(dice)
    return Person(identity, (b"Patient/" + identity,) * _SPELLINGS, True, b"1970-01-01", _visits(dice), ())


class _Drawn:
    """Forms by their weight."""

    def __init__(self, forms: Sequence[dict[str, Any]]) -> None:
        self._forms = forms
        self._weights = tuple(accumulate(form["weight"] for form in forms))

    def one(self, dice: Random) -> dict[str, Any]:
        return dice.choices(self._forms, cum_weights=self._weights)[0]


def _identity(dice: Random) -> bytes:
    digits = f"{dice.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}".encode()


def _subjects(identity: bytes) -> tuple[bytes, ...]:
    usual = b"Patient/" + identity
    odd = (BASE + usual, usual + b"/_history/3", b"urn:uuid:" + identity, BASE + usual + b"/_history/12")
    return (usual,) * (_SPELLINGS - len(odd)) + odd


def _birth_date(dice: Random) -> bytes:
    """Now and then of the year or the month alone."""
    day = date(1931, 1, 1) + timedelta(days=int(dice.random() * 33_000))
    precision = dice.random()
    return day.isoformat()[: 4 if precision < 0.01 else 7 if precision < 0.02 else 10].encode()


def _visits(dice: Random) -> tuple[int, ...]:
    newest, between = int(dice.random() ** 3 * 700) + 1, 20 + int(dice.random() * 60)
    return tuple(newest + between * nth for nth in range(4 + int(dice.random() * (_MOST_VISITS - 4))))
