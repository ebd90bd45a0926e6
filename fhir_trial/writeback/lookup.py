"""What the server holds already: the study, our subject, others' subjects, our earlier results. Read before every write."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fhir_trial.errors import FatalServerError
from fhir_trial.transport import FhirServer, Json, NotFoundError
from fhir_trial.trials.model import Identifier
from fhir_trial.writeback.codes import REPLACES_EXTENSION, RESEARCH_STUDY_EXTENSION, screening_system
from fhir_trial.writeback.enrolment import patient_of
from fhir_trial.writeback.identifiers import run_system, subject_system

#: Said of content that a person has called an error.
AN_ERROR = "A person called this result entered in error: it is not written again."

#: Said of a subject whose patient has another server's address.
ELSEWHERE = (
    "The subject names its patient by an address that is not this server's: it may be another hospital's. "
    "If that address is the same server, add it to the setting 'aliases'."
)
_SCREENING = "eligibility-screening"


class Lookup:
    """Searches that are matched again locally: a server may ignore a parameter."""

    def __init__(self, server: FhirServer, bases: Iterable[str]) -> None:
        self._server = server
        self._bases = tuple(bases)

    @property
    def bases(self) -> tuple[str, ...]:
        """Under which a resource is ours."""
        return self._bases

    def studies(self, identifiers: Iterable[Identifier]) -> list[Json]:
        """The studies that carry any of the identifiers: registries have changed their system's URI (WB-27)."""
        found: dict[str, Json] = {}
        for identifier in identifiers:
            for study in self.by_identifier("ResearchStudy", identifier):
                found[study["id"]] = study
        return [found[identity] for identity in sorted(found)]

    def own_subjects(self, value: str) -> list[Json]:
        """The subjects with our identifier, under the current base or a former one."""
        found: dict[str, Json] = {}
        for base in self._bases:
            for subject in self.by_identifier("ResearchSubject", Identifier(subject_system(base), value)):
                found[subject["id"]] = subject
        return [found[identity] for identity in sorted(found)]

    def is_named(self, subject: Json, value: str) -> bool:
        """Whether a subject carries our identifier."""
        ours = {(subject_system(base), value) for base in self._bases}
        identifiers = subject.get("identifier")
        named = [each for each in identifiers if isinstance(each, dict)] if isinstance(identifiers, list) else []
        return any((each.get("system"), each.get("value")) in ours for each in named)

    def subjects_of(self, patient: str, study: str) -> list[Json]:
        """Every subject of the patient on the study, whoever wrote it."""
        matches = self._all("ResearchSubject", [("patient", patient.split("/")[1])])
        return [each for each in matches if names(patient_of(each), patient) and names(each.get("study"), study)]

    def has_died(self, patient: str) -> bool:
        """Whether the server's record says so now; the verdict may be older."""
        return has_died(self.read(patient) or {})

    def merged_into(self, patient: Json) -> list[str]:
        """``Patient/id`` of the records that this one replaced, as far as they are of this server (DATA-45)."""
        links = patient.get("link")
        others = [
            link.get("other")
            for link in (links if isinstance(links, list) else ())
            if isinstance(link, dict) and link.get("type") == "replaces"
        ]
        return [name for other in others if not self.is_elsewhere(other) and (name := target_of(other)) is not None]

    def results_of(self, patient: str, study: str) -> list[Json]:
        """Eligibility Observations of the patient for the study, anybody's, those entered in error too."""
        systems = [screening_system(base) for base in self._bases]
        codes = ",".join(f"{system}|{_SCREENING}" for system in systems)
        matches = self._all("Observation", [("patient", patient.split("/")[1]), ("code", codes)])
        return [
            observation
            for observation in matches
            if (run_of(observation, self._bases) is not None or _has_code(observation.get("code"), systems))
            and names(observation.get("subject"), patient)
            and names(extension(observation, RESEARCH_STUDY_EXTENSION), study)
        ]

    def is_elsewhere(self, reference: object) -> bool:
        """Whether a Reference names something by an address that is not this server's: the same id is another there (DATA-47)."""
        value = reference.get("reference") if isinstance(reference, dict) else None
        ours = (self._server.base, *self._server.settings.aliases)
        return isinstance(value, str) and "://" in value and not any(value.startswith(f"{base}/") for base in ours)

    def provenances_of(self, reference: str) -> list[Json]:
        """Those that name the resource as target: Provenance has no identifier."""
        matches = self._all("Provenance", [("target", reference)])
        return [each for each in matches if any(names(target, reference) for target in _references(each.get("target")))]

    def notes_of(self, patient: str, systems: Iterable[str], description: str) -> list[Json]:
        """The patient's DocumentReferences with an identifier of one of the systems, or our description without it."""
        wanted = set(systems)
        return [
            each
            for each in self._all("DocumentReference", [("patient", patient.split("/")[1])])
            if names(each.get("subject"), patient)
            and (each.get("description") == description or any(one.system in wanted for one in identifiers_of(each)))
        ]

    def by_identifier(self, resource_type: str, identifier: Identifier) -> list[Json]:
        """The resources that carry the identifier."""
        matches = self._all(resource_type, [("identifier", f"{identifier.system}|{identifier.value}")])
        return [resource for resource in matches if identifier in identifiers_of(resource)]

    def _all(self, resource_type: str, parameters: list[tuple[str, str]]) -> list[Json]:
        found = self._server.search(resource_type, parameters)
        if found.failure is not None:
            raise found.failure
        if not found.complete or any(issue.is_failure or issue.says_restricted for issue in found.issues):
            raise FatalServerError(
                f"{resource_type} search: the answer was cut short or withholds something, so nothing is written on its strength."
            )
        return [resource for resource in found.matches if isinstance(resource.get("id"), str)]

    def read(self, reference: str) -> Json | None:
        """The resource; None when it is not there."""
        try:
            return self._server.read(reference)
        except NotFoundError:
            return None


def has_died(patient: Json) -> bool:
    """Whether a Patient is said to be dead."""
    return patient.get("deceasedBoolean") is True or "deceasedDateTime" in patient


def is_error(resource: Json) -> bool:
    """Whether a person has called it an error (WB-08)."""
    return resource.get("status") == "entered-in-error"


def latest(observations: list[Json]) -> Json | None:
    """The one that no other replaces; of several, the one issued last."""
    replaced = {reference for each in observations if (reference := target_of(extension(each, REPLACES_EXTENSION))) is not None}
    heads = [each for each in observations if f"Observation/{each['id']}" not in replaced]
    return max(heads or observations, key=lambda each: (str(each.get("issued")), each["id"]), default=None)


def run_of(observation: Json, bases: Iterable[str]) -> str | None:
    """The identifier value of the run that an Observation of ours came from."""
    systems = {run_system(base) for base in bases}
    return next((identifier.value for identifier in identifiers_of(observation) if identifier.system in systems), None)


def identifiers_of(resource: Json) -> list[Identifier]:
    """Its whole identifiers: those with system and value."""
    items = resource.get("identifier")
    dicts = [item for item in (items if isinstance(items, list) else ()) if isinstance(item, dict)]
    pairs = ((item.get("system"), item.get("value")) for item in dicts)
    return [Identifier(system, value) for system, value in pairs if isinstance(system, str) and isinstance(value, str)]


def extension(resource: Json, url: str) -> object:
    """The extension's valueReference, or None."""
    items = resource.get("extension")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("url") == url:
            return item.get("valueReference")
    return None


def target_of(reference: object) -> str | None:
    """``Type/id`` of a Reference, be it relative, absolute or versioned (servers answer with any)."""
    value = reference.get("reference") if isinstance(reference, dict) else None
    return "/".join(value.split("/_history/")[0].split("/")[-2:]) if isinstance(value, str) else None


def names(reference: object, target: str) -> bool:
    """Whether a Reference names ``Type/id``."""
    return target_of(reference) == target


def _has_code(concept: object, systems: Collection[str]) -> bool:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    dicts = [each for each in (codings if isinstance(codings, list) else ()) if isinstance(each, dict)]
    return any(each.get("code") == _SCREENING and each.get("system") in systems for each in dicts)


def _references(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
