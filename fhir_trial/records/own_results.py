"""Results of our own earlier screening, which must never become evidence (R40, VER-17).

Recognised by tag or, since servers strip tags, by our identifier systems or screening code system, under the configured base and
former ones. A ResearchSubject is ours only while it says what the machine says: any other status, tagged or not, is a person's.
What a named person gave (a score, an answer) is that person's, not computed, unless it is tagged so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_trial.records.raw import Json
from fhir_trial.terminology.systems import normalise_system

DEFAULT_BASE = "https://example.org/fhir-trial"
#: Identifier systems below a base that only the machine gives: a confirmed screening run is still our own result.
_RUNS = ("/screening-run", "/research-subject")
#: The statuses that the machine writes on a ResearchSubject; every other is a named person's, though the tag be there still:
#: servers may keep the tags that an update leaves out.
_MACHINE_STATUSES = ("potential-candidate", "ineligible")
_SUBJECT_STATE = "http://terminology.hl7.org/CodeSystem/research-subject-state"
_NOT_PERSONS = ("Device/", "Organization/", "CareTeam/", "HealthcareService/")


@dataclass(frozen=True, slots=True)
class OwnMarks:
    """How to recognise what we wrote.

    Attributes:
        bases: The configured base of our systems, then former ones; the default base is always known.
    """

    bases: tuple[str, ...] = (DEFAULT_BASE,)
    _known: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _below: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _origins: frozenset[str] = field(init=False, repr=False, compare=False)
    _screening: frozenset[str] = field(init=False, repr=False, compare=False)
    _runs: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = tuple(dict.fromkeys(normalise_system(base) for base in (*self.bases, DEFAULT_BASE)))
        for name, value in {
            "_known": known,
            "_below": tuple(f"{base}/" for base in known),
            "_origins": frozenset(f"{base}/CodeSystem/origin" for base in known),
            "_screening": frozenset(f"{base}/CodeSystem/screening" for base in known),
            "_runs": frozenset(base + path for base in known for path in _RUNS),
        }.items():
            object.__setattr__(self, name, value)

    def on(self, resource: Json) -> bool:
        """Whether the resource is a computed result of ours."""
        tagged = "meta" in resource and self._tagged(resource["meta"])
        systems = self._identifier_systems(resource) if "identifier" in resource or "masterIdentifier" in resource else []
        if resource.get("resourceType") == "ResearchSubject":
            return (tagged or bool(systems)) and all(state in _MACHINE_STATUSES for state in _enrolments(resource))
        if tagged:
            return True
        coded = self._coded(resource)
        if not systems and not coded:
            return False
        return not self._runs.isdisjoint(systems) or "eligibility-screening" in coded or not _given_by_a_person(resource)

    def _tagged(self, meta: Any) -> bool:
        if not isinstance(meta, dict):
            return False
        source = meta.get("source")
        if isinstance(source, str) and (source in self._known or source.startswith(self._below)):
            return True
        return "tag" in meta and any(
            tag.get("code") == "computed" and _system(tag) in self._origins for tag in _dicts(meta["tag"])
        )

    def _identifier_systems(self, resource: Json) -> list[str]:
        """Those of ours."""
        given = [_system(each) for key in ("identifier", "masterIdentifier") for each in _dicts(resource.get(key))]
        return [system for system in given if system.startswith(self._below)]

    def _coded(self, resource: Json) -> list[object]:
        """The codes of our screening code system in ``code``."""
        code = resource.get("code")
        if not isinstance(code, dict) or "coding" not in code:
            return []
        codings = code["coding"]
        if isinstance(codings, list):
            for coding in codings:
                if (
                    isinstance(coding, dict)
                    and isinstance(system := coding.get("system"), str)
                    and system.startswith(self._below)
                ):
                    break
            else:
                return []
        return [coding.get("code") for coding in _dicts(codings) if _system(coding) in self._screening]


def _enrolments(subject: Json) -> list[object]:
    """Each enrolment that a ResearchSubject holds or held: R4 has one status, R5 a progress. None: something that is no state."""
    if "subject" not in subject and "progress" not in subject:
        return [subject["status"]] if "status" in subject else []
    progress = subject.get("progress")
    return [_enrolment(item) for item in progress] if isinstance(progress, list) else []


def _enrolment(item: Any) -> object:
    concept = item.get("subjectState") if isinstance(item, dict) else None
    codings = _dicts(concept.get("coding")) if isinstance(concept, dict) else []
    return next((coding.get("code") for coding in codings if coding.get("system") == _SUBJECT_STATE), None)


def _dicts(value: Any) -> list[Json]:
    listed = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
    return [item for item in listed if isinstance(item, dict)]


def _system(coded: Json) -> str:
    system = coded.get("system")
    return normalise_system(system) if isinstance(system, str) else ""


def _given_by_a_person(resource: Json) -> bool:
    return any(_is_person(who) for key in ("performer", "author", "source", "recorder") for who in _dicts(resource.get(key)))


def _is_person(who: Json) -> bool:
    literal = who.get("reference")
    if isinstance(literal, str) and literal:
        return not any(kind in literal for kind in _NOT_PERSONS)
    return bool(who.get("identifier") or who.get("display")) and who.get("type") not in [kind[:-1] for kind in _NOT_PERSONS]
