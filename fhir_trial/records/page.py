"""A resource open for reading: tolerant access to JSON, in which nothing raises and nothing unreadable passes unnamed.

A value of the wrong type becomes an Issue and reads as absent; it is never repaired. Source: FHIR R4 JSON; R34, DATA-21, DATA-24.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

from fhir_trial.quantities import read_decimal
from fhir_trial.records.model import Issue, Origin
from fhir_trial.records.raw import Json
from fhir_trial.records.references import References
from fhir_trial.records.urls import DATA_ABSENT_REASON
from fhir_trial.terminology.concepts import Coding, Concept, coding
from fhir_trial.terminology.systems import LOINC, RXNORM, SNOMED, UCUM
from fhir_trial.times import Span, read_span

NOTHING = Concept()
_OLDEST_CREDIBLE_YEAR = 1901  # 1900-01-01 is how some exports write "no date" (DATA-67)
_LARGEST_EXPONENT = 60  # beyond it no quantity of medicine lies, and writing one out would take all memory
_STANDARDS = {"loinc": LOINC, "snomed": SNOMED, "rxnorm": RXNORM, "unitsofmeasure": UCUM}


class Page:
    """One resource, or one contained in it, and where its issues go.

    Attributes:
        origin: How facts name the resource.
        unusable: Why nothing on the page decides: "modifier-extension", a status, or None.
    """

    __slots__ = ("_container", "_newest", "issues", "origin", "references", "resource", "today", "unusable", "zone")

    def __init__(
        self,
        resource: Json,
        origin: Origin,
        issues: list[Issue],
        references: References,
        zone: tzinfo,
        today: date | None = None,
        container: Json | None = None,
    ) -> None:
        self.resource = resource
        self.origin = origin
        self.issues = issues
        self.references = references
        self.zone = zone
        self.today = today
        self.unusable: str | None = None
        self._container = resource if container is None else container
        self._newest: date | None = origin.last_updated or today

    def inside(self, contained: Json) -> Page:
        """The page of a contained resource, which speaks in its container's name."""
        return Page(contained, self.origin, self.issues, self.references, self.zone, self.today, self._container)

    # issues

    def note(self, code: str, text: str, path: str | None = None, severity: str = "warning") -> None:
        self.issues.append(Issue(code, severity, self.origin.reference, path, text))

    def odd(self, path: str, key: str, expected: str) -> None:
        self.note("wrong-type", f"Not {expected}; read as absent.", f"{path}.{key}" if path else key)

    # elements

    def string(self, node: Json, key: str, path: str = "") -> str | None:
        """A string without blanks around it; None when empty."""
        value = node.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return value.strip() or None
        self.odd(path, key, "a string")
        return None

    def boolean(self, node: Json, key: str, path: str = "") -> bool | None:
        value = node.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.odd(path, key, "true or false")
        return None

    def number(self, node: Json, key: str, path: str = "") -> Decimal | None:
        """A JSON number; a string where a number belongs is not read (R34)."""
        value = node.get(key)
        if value is None:
            return None
        number = read_decimal(value)
        if number is not None and abs(number.adjusted()) > _LARGEST_EXPONENT:
            number = None
        if number is None:
            where = f"{path}.{key}" if path else key
            if isinstance(value, str):
                self.note("number-as-text", "A string where a number belongs; not read.", where)
            else:
                self.odd(path, key, "a number")
        return number

    def object(self, node: Json, key: str, path: str = "") -> Json | None:
        value = node.get(key)
        if value is None or isinstance(value, dict):
            return value
        self.odd(path, key, "an object")
        return None

    def objects(self, node: Json, key: str, path: str = "") -> list[Json]:
        """The objects of a list. An object that stands where its list belongs is taken for a list of one, and noted."""
        value = node.get(key)
        if value is None:
            return []
        if isinstance(value, list):
            for item in value:
                if not isinstance(item, dict):
                    self.odd(path, key, "a list of objects throughout")
                    return [each for each in value if isinstance(each, dict)]
            return value
        if isinstance(value, dict):
            text = "An object where a list of objects belongs; read as a list of one."
            self.note("list-missing", text, f"{path}.{key}" if path else key)
            return [value]
        self.odd(path, key, "a list of objects")
        return []

    def one_or_more(self, node: Json, key: str, path: str = "") -> list[Json]:
        """Where resource types differ in whether the element repeats."""
        value = node.get(key)
        return [value] if isinstance(value, dict) else self.objects(node, key, path)

    def count(self, node: Json, key: str, path: str = "") -> int:
        """How many items a list of primitives has."""
        value = node.get(key)
        if value is None or isinstance(value, list):
            return len(value or ())
        self.odd(path, key, "a list")
        return 0

    # concepts

    def concept(self, node: Json, key: str, path: str = "") -> Concept | None:
        value = node.get(key)
        if value is None:
            return None
        if isinstance(value, dict):
            return self.read_concept(value, f"{path}.{key}" if path else key)
        self.odd(path, key, "a CodeableConcept")
        return None

    def concepts(self, node: Json, key: str, path: str = "") -> tuple[Concept, ...]:
        value = node.get(key)
        if value is None:
            return ()
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):  # nearly always
            return (self.read_concept(value[0], path or key),)
        return tuple([self.read_concept(item, path or key) for item in self.one_or_more(node, key, path)])

    def read_concept(self, value: Json, path: str) -> Concept:
        """A CodeableConcept. The most frequent shape, one coding and perhaps a text, is met again and again: it is kept."""
        listed = value.get("coding")
        if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], dict):
            only = listed[0].get
            try:
                found = _concept(only("system"), only("code"), only("display"), value.get("text"))
            except TypeError:  # a list or an object where a string belongs
                found = None
            if found is not None:
                return found
        return self._read_concept(value, path)

    def _read_concept(self, value: Json, path: str) -> Concept:
        codings = [found for item in self.objects(value, "coding", path) if (found := self.read_coding(item, path)) is not None]
        return Concept(tuple(codings), self.string(value, "text", path) if "text" in value else None)

    def read_coding(self, value: Json, path: str) -> Coding | None:
        """None, and an issue, when it has neither code nor words."""
        get = value.get
        try:
            found, misspelt = _coding(get("system"), get("code"), get("display"))
        except TypeError:  # a list or an object where a string belongs
            found, misspelt = None, False
        if found is None:
            self.note("coding-not-understood", "A coding without a readable code.", f"{path}.coding")
        elif misspelt:
            text = "The coding's system resembles a standard one and is not it."
            self.note("code-system-not-recognised", text, f"{path}.coding.system")
        return found

    def code(self, node: Json, key: str, allowed: frozenset[str], path: str = "") -> str | None:
        """The one of ``allowed`` that a CodeableConcept says, else None; a word of none of them is an issue."""
        value = node.get(key)
        if value is None:
            return None
        if isinstance(value, str) and value in allowed:  # as earlier versions of FHIR write it
            self.note(
                "wrong-type",
                "A bare code where a CodeableConcept belongs; understood.",
                f"{path}.{key}" if path else key,
                "information",
            )
            return value
        said = self.concept(node, key, path)
        for word in code_words(said) if said is not None else ():
            if word in allowed:
                return word
        self.note("code-not-understood", "None of the codes that this element may have.", f"{path}.{key}" if path else key)
        return None

    # dates

    def span(self, node: Json, key: str, path: str = "") -> Span | None:
        """A date, dateTime or instant; partial ones are intervals. What is no date is an issue."""
        value = node.get(key)
        if value is None:
            return None
        found = read_span(value, self.zone)
        if found is None:
            self.note("date-not-understood", "Not a FHIR date; read as absent.", f"{path}.{key}" if path else key)
        return found

    def event(self, node: Json, key: str, path: str = "") -> Span | None:
        """The date of something that has happened: one of 1900 or of the future is flagged as a data error (DATA-67)."""
        found = self.span(node, key, path)
        if found is not None:
            self._doubt(found, f"{path}.{key}" if path else key)
        return found

    def period(self, node: Json, key: str, path: str = "") -> tuple[Span | None, Span | None]:
        """Start and end of a Period."""
        value = self.object(node, key, path)
        if value is None:
            return None, None
        where = f"{path}.{key}" if path else key
        return self.span(value, "start", where), self.span(value, "end", where)

    def past_period(self, node: Json, key: str, path: str = "") -> tuple[Span | None, Span | None]:
        """Start and end of the Period of something that has happened."""
        start, end = self.period(node, key, path)
        if start is not None:
            self._doubt(start, f"{path}.{key}.start".lstrip("."))
        return start, end

    def moment(self, node: Json, key: str, path: str = "") -> datetime | None:
        """An instant; None without an issue where the text is only a date."""
        value = node.get(key)
        if value is None:
            return None
        found = read_moment(value, self.zone)
        if found is None and read_span(value, self.zone) is None:
            self.note("date-not-understood", "Not a FHIR instant; read as absent.", f"{path}.{key}" if path else key)
        return found

    def _doubt(self, found: Span, path: str) -> None:
        if found.first.year < _OLDEST_CREDIBLE_YEAR:
            self.note("date-implausible", "A date of 1900 or earlier.", path)
        elif self._newest is not None and found.first.toordinal() > self._newest.toordinal() + 1:
            self.note("date-in-the-future", "Dated after the resource was last updated.", path)

    # words, extensions, references

    def notes(self, node: Json, key: str = "note") -> tuple[str, ...]:
        """The texts of annotations."""
        return tuple([text for item in self.objects(node, key) if (text := self.string(item, "text", key)) is not None])

    def extensions(self, node: Json, path: str = "") -> Iterator[tuple[str, Json]]:
        """(url, extension) of each."""
        for item in self.objects(node, "extension", path):
            url = item.get("url")
            if isinstance(url, str):
                yield url, item

    def absent_reason(self, node: Json | None, path: str = "") -> str | None:
        """The code of a data-absent-reason extension."""
        if node is None or "extension" not in node:
            return None
        for url, item in self.extensions(node, path):
            if url == DATA_ABSENT_REASON:
                return self.string(item, "valueCode", path) or "unknown"
        return None

    def modified(self, node: Json, path: str = "") -> bool:
        """Whether it has a modifierExtension, or implicitRules. None is known, so what has one is not understood (DATA-22)."""
        for key in ("modifierExtension", "implicitRules"):
            if node.get(key):
                self.note(
                    "modifier-extension", "It may change the meaning and is not known: not used.", f"{path}.{key}".lstrip(".")
                )
                return True
        return False

    def reference(self, node: Json, key: str, path: str = "") -> str | None:
        """The literal reference of a Reference, else None."""
        value = self.object(node, key, path)
        return None if value is None else self.string(value, "reference", f"{path}.{key}" if path else key)

    def find(self, reference: str | None) -> Json | None:
        """The resource that a reference leads to, contained or not."""
        if reference is None:
            return None
        if reference.startswith("#"):
            return self.contained(reference[1:])
        return self.references.find(reference)

    def contained(self, identity: str) -> Json | None:
        held = self._container.get("contained")
        for item in held if isinstance(held, list) else ():
            if isinstance(item, dict) and item.get("id") == identity:
                return item
        return None

    def leads_to(self, value: Json, path: str) -> tuple[Json | None, str | None]:
        """(resource or None, display) of a Reference; one that should lead somewhere and does not is an issue (DATA-23)."""
        literal = self.string(value, "reference", path)
        found = self.find(literal)
        if found is None:
            self.note("reference-not-resolved", "It leads to nothing in this source.", path)
        return found, self.string(value, "display", path)

    def names(self, node: Json, key: str, path: str = "") -> tuple[str, ...]:
        """The literal references of a list of References, as evidence names them."""
        found = []
        for item in self.one_or_more(node, key, path):
            literal = self.string(item, "reference", key)
            if literal is not None:
                found.append(self.references.plain(literal))
        return tuple(found)


def code_words(said: Concept) -> Iterator[str]:
    """The codes of a concept, then its text in lower case."""
    for each in said.codings:
        yield each.code
    if said.text:
        yield said.text.lower()


def categories(concepts: tuple[Concept, ...]) -> frozenset[str]:
    """Codes, and the text where nothing is coded."""
    if len(concepts) == 1 and len(concepts[0].codings) == 1:
        return _category(concepts[0].codings[0].code)
    return frozenset([word for said in concepts for word in ([c.code for c in said.codings] or [said.text or ""]) if word])


@lru_cache(maxsize=1024)
def _category(code: str) -> frozenset[str]:
    return frozenset({code} - {""})


def words(said: Concept | None) -> str | None:
    """A concept in words, for text matching."""
    return None if said is None else " / ".join(dict.fromkeys(said.texts())) or None


def read_moment(value: Any, zone: tzinfo) -> datetime | None:
    """An instant, in UTC; one without zone is the site's. None where no time of day is given."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        found = datetime.fromisoformat(value)  # far quicker than the tolerant reader, and enough for most
    except ValueError:
        span = read_span(value, zone)
        return None if span is None else span.instant
    if found.tzinfo is UTC:
        return found
    try:
        return (found.replace(tzinfo=zone) if found.tzinfo is None else found).astimezone(UTC)
    except OverflowError:
        return None


@lru_cache(maxsize=16384)
def _coding(system: object, code: object, display: object) -> tuple[Coding | None, bool]:
    """(coding, whether its system resembles a standard one and is not it)."""
    if not all(part is None or isinstance(part, str) for part in (system, code, display)):
        return None, False
    if not (isinstance(code, str) and code.strip()) and not (isinstance(display, str) and display.strip()):
        return None, False
    shown = display.strip() or None if isinstance(display, str) else None
    found = coding(system if isinstance(system, str) else None, code if isinstance(code, str) else "", shown)
    return found, _resembles_a_standard(found.system)


@lru_cache(maxsize=16384)
def _concept(system: object, code: object, display: object, text: object) -> Concept | None:
    """The concept of one coding and a text; None if there is anything about it to report."""
    found, misspelt = _coding(system, code, display)
    if found is None or misspelt or not (text is None or isinstance(text, str)):
        return None
    return Concept((found,), text.strip() or None if text is not None else None)


def _resembles_a_standard(system: str) -> bool:
    folded = system.lower()
    return any(word in folded and system != right for word, right in _STANDARDS.items())
