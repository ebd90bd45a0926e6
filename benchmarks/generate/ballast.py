"""What an export is full of, and no trial reads: bills, notes, plans, and types that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from benchmarks.generate.people import DAYS, Person
from benchmarks.generate.templates import HOSPITAL, Resource, Template, coded, meta, narrative

_VARIANTS: Final = 8
#: How many of each a person has, about.
_USUAL: Final = {"Claim": 22, "ExplanationOfBenefit": 22, "Immunization": 8, "CarePlan": 4, "HouseSpecificForm": 2}
_WORDS_OF_A_NARRATIVE: Final = 50
_ITEMS: Final = 4


class Ballast:
    """Writes it, for each type in one piece.

    Args:
        share: Of the usual amount.
    """

    def __init__(self, share: float, dice: Random) -> None:
        self._dice = dice
        amounts = {kind: max(1, round(usual * share)) for kind, usual in _USUAL.items()} if share else {}
        self._templates = {
            kind: [Template(*(_resource(kind, nth, dice) for nth in range(amount))) for _ in range(_VARIANTS)]
            for kind, amount in amounts.items()
        }

    def of(self, person: Person) -> Iterator[tuple[str, bytes]]:
        """Type and lines."""
        gaps = {b"patient": person.identity, b"subject": person.subjects[0], b"day": DAYS[person.visits[0]], b"version": b"2"}
        for kind, templates in self._templates.items():
            yield kind, templates[int(self._dice.random() * _VARIANTS)].fill(gaps)


def _resource(kind: str, nth: int, dice: Random) -> Resource:
    words = dice.choices(HOSPITAL["words"], k=_WORDS_OF_A_NARRATIVE)
    made: Resource = {
        "resourceType": kind,
        "id": f"@patient@-{kind[:2].lower()}{nth}",
        "meta": meta(kind.lower()),
        "text": narrative(*words),
        "status": "active",
        "patient": {"reference": "@subject@"},
        "created": "@day@",
    }
    if kind == "CarePlan":
        made["subject"] = made.pop("patient")
    if kind in ("Claim", "ExplanationOfBenefit"):
        made["item"] = [_item(line, dice) for line in range(_ITEMS)]
        made["diagnosis"] = [{"sequence": 1, "diagnosisCodeableConcept": dice.choice(HOSPITAL["common_conditions"])}]
    return made


def _item(line: int, dice: Random) -> Resource:
    return {
        "sequence": line,
        "productOrService": coded("https://ehr.example.invalid/charges", f"{dice.randrange(10_000, 99_999)}"),
        "servicedDate": "@day@",
        "unitPrice": {"value": round(dice.random() * 900, 2), "currency": "USD"},
        "net": {"value": round(dice.random() * 900, 2), "currency": "USD"},
    }
