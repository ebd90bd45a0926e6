"""Whom to screen where nobody gave a list: by diagnosis, by Group, by List, or by a file of ids.

Statuses are ignored on purpose: a refuted or entered-in-error diagnosis makes a candidate too, and the screening judges it.
Each way misses somebody; ``MISSES`` says whom. Source: FHIR R4 Group, List, Search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_trial.errors import FatalServerError, ServerError, SourceError, UsageError
from fhir_trial.sources.following import local_reference
from fhir_trial.sources.patient_links import patient_link
from fhir_trial.terminology import Coding, Concept, ValueSet, coding
from fhir_trial.terminology.systems import ICD10CM, ICD_SYSTEMS
from fhir_trial.transport import FhirServer, Found, NotAuthorisedError, NotFoundError, RestrictedError
from fhir_trial.transport.connection import StoppedError
from fhir_trial.trials.candidates import Signs
from fhir_trial.trials.model import ResolvedTrial

Json = dict[str, Any]

CONDITION = "condition"
#: What each way cannot see: told by ``server check`` and in docs/pull.md.
MISSES = {
    CONDITION: "misses patients whose diagnosis has a local code that no mapping knows, a system spelt otherwise, or words alone",
    "Group": "misses whoever was not put into the Group, and members that are given without a reference to a Patient",
    "List": "misses whoever was not put on the List, and entries that are no reference to a Patient",
    "file": "misses whoever is not named in the file",
}

_BATCH = 40
_NAME = re.compile(r"(?:Patient/)?[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(r"(?:Group|List)/[A-Za-z0-9\-.]{1,64}")
_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Candidates:
    """Patients to screen.

    Attributes:
        patients: ``Patient/id``, each once, in the order of the reference.
        remarks: What the ways left out, with nothing of a patient.
    """

    patients: tuple[str, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disease:
    """The codes of a trial's own disease.

    Attributes:
        signs: What makes somebody worth screening for the trial.
        codes: What a server is asked for, exact codes, since a token search knows no prefix.
    """

    signs: Signs
    codes: tuple[Coding, ...]

    def includes(self, concept: Concept) -> bool:
        """The search by code applied again (DATA-06)."""
        return any(self.signs.include_code(each) for each in concept.codings)


def find_candidates(server: FhirServer, ways: Sequence[str], trials: Sequence[ResolvedTrial]) -> Candidates:
    """The union of several ways.

    Args:
        ways: ``condition``, ``Group/id``, ``List/id``, or the path of a file.

    Raises:
        UsageError: A file holds something that is no id (told with its line), or a trial names no condition.
        SourceError: There is no such file.
        ServerError: A way cannot be read to its end: a list that breaks off is no list.
    """
    found: set[str] = set()
    remarks: dict[str, None] = {}
    for way in ways:
        if way == CONDITION:
            for trial in trials:
                found |= set(by_condition(server, disease_of(trial)))
        elif _REFERENCE.fullmatch(way) and not Path(way).exists():
            members = _Members(server)
            found |= members.of(way)
            remarks |= dict.fromkeys(members.remarks)
        else:
            found |= set(by_file(Path(way)))
    return Candidates(tuple(sorted(found)), tuple(remarks))


def disease_of(trial: ResolvedTrial) -> Disease:
    """What the trial says makes somebody worth screening, as exact codes.

    Raises:
        UsageError: The trial does not say.
    """
    if trial.signs is None:
        raise UsageError(
            f"The trial {trial.trial.id} does not say by which diagnoses its candidates are found ('candidates'): "
            "name the patients by Group/ID, List/ID or a file instead."
        )
    codes = (code for value_set in trial.signs.value_sets for code in _asked_codes(value_set, trial.signs))
    return Disease(trial.signs, tuple(dict.fromkeys(codes)))


def by_condition(server: FhirServer, disease: Disease) -> Iterator[str]:
    """The subjects of every Condition with one of the codes, whatever its status; a patient may come twice.

    Raises:
        ServerError: A search is refused, as most hospital servers do across patients (DATA-11), or breaks off.
    """
    for tokens in batches(disease.codes):
        try:
            found = server.search("Condition", [("code", tokens)])
        except (NotAuthorisedError, RestrictedError, StoppedError):
            raise
        except FatalServerError as error:
            raise FatalServerError(
                f"{error.message} Not every server searches diagnoses across patients: "
                "name the patients by Group/ID, List/ID or a file instead."
            ) from None
        check_whole(found, "Condition search", "the candidates")
        yield from subjects(found.matches, disease, server)


def batches(codes: Sequence[Coding]) -> Iterator[str]:
    """Values of the parameter ``code``: ``system|code,system|code``."""
    for start in range(0, len(codes), _BATCH):
        yield ",".join(f"{code.system}|{code.code}" for code in codes[start : start + _BATCH])


def subjects(conditions: Iterable[Json], disease: Disease, server: FhirServer) -> Iterator[str]:
    """Whose the conditions are that are the disease; references to other servers and to no Patient are left out."""
    for condition in conditions:
        link = patient_link(condition)
        reference = local_reference(link, server) if link else None
        if reference is not None and reference.startswith("Patient/") and disease.includes(concept_of(condition.get("code"))):
            yield reference


def concept_of(node: object) -> Concept:
    """The codings of a raw CodeableConcept, and its words; empty when it is none."""
    if not isinstance(node, dict):
        return Concept()
    raw = node.get("coding")
    codings = [
        coding(each.get("system") if isinstance(each.get("system"), str) else None, each["code"], _word(each.get("display")))
        for each in (raw if isinstance(raw, list) else ())
        if isinstance(each, dict) and isinstance(each.get("code"), str)
    ]
    return Concept(tuple(codings), _word(node.get("text")))


def by_file(path: Path) -> Iterator[str]:
    """One id a line, ``p1`` or ``Patient/p1``; "#" begins a comment.

    Raises:
        UsageError: A line holds something else; the message names the line, not what stands there.
        SourceError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        message = "There is no such file of patients. Expected condition, Group/ID, List/ID, or a file with an id in each line."
        raise SourceError(message, expression=str(path)) from None
    for number, line in enumerate(lines, 1):
        name = line.split("#", 1)[0].strip()
        if not name:
            continue
        if not _NAME.fullmatch(name):
            raise UsageError("Expected the id of one patient, such as p1 or Patient/p1.", expression=f"{path}:{number}")
        yield f"Patient/{name.removeprefix('Patient/')}"


class _Members:
    """The patients of a Group or a List, and of the Groups in a Group."""

    def __init__(self, server: FhirServer) -> None:
        self._server = server
        self._seen: set[str] = set()
        self.remarks: list[str] = []

    def of(self, reference: str, depth: int = 0) -> set[str]:
        if reference in self._seen:
            return set()
        self._seen.add(reference)
        kind = reference.split("/", maxsplit=1)[0]
        if depth > _DEEPEST:
            raise FatalServerError("Group: Groups within Groups lead deeper than is followed.")
        try:
            resource = self._server.read(reference)
        except NotFoundError:
            raise UsageError(f"The server has no such {kind}.", expression=reference) from None
        found: set[str] = set()
        for link in self._list_links(resource) if kind == "List" else self._group_links(resource):
            local = local_reference(link, self._server)
            if local is not None and local.startswith("Patient/"):
                found.add(local)
            elif local is not None and local.startswith("Group/"):
                found |= self.of(local, depth + 1)
            else:
                self._remark(f"{kind}: some members are no patients of this server and were left out.")
        if kind == "Group" and not resource.get("member"):
            found |= self._searched(reference)
        return found

    def _group_links(self, group: Json) -> Iterator[str]:
        if group.get("actual") is False:
            self._remark(
                "Group: it describes people and lists nobody (actual is false); who the server says belongs to it was taken."
            )
        for member in _dicts(group.get("member")):
            if member.get("inactive") is not True:
                yield from self._link(member.get("entity"), "Group")

    def _list_links(self, listed: Json) -> Iterator[str]:
        for entry in _dicts(listed.get("entry")):
            if entry.get("deleted") is not True:
                yield from self._link(entry.get("item"), "List")

    def _link(self, element: object, kind: str) -> Iterator[str]:
        link = element.get("reference") if isinstance(element, dict) else None
        if isinstance(link, str):
            yield link.strip()
        else:
            self._remark(f"{kind}: some members have no reference and were left out.")

    def _searched(self, reference: str) -> set[str]:
        """Members of a Group that keeps them to itself, page by page."""
        try:
            found = _members(self._server, reference.split("/")[1])
        except (NotAuthorisedError, RestrictedError, StoppedError):
            raise
        except FatalServerError:
            self._remark("Group: it lists no members, and the server does not search by membership.")
            return set()
        if found.ignored or self._finds_anybody("nobodys-group"):
            self._remark("Group: it lists no members, and the server ignores a search by membership.")
            return set()
        check_whole(found, "Group members", "the candidates")
        return {f"Patient/{patient['id']}" for patient in found.matches if isinstance(patient.get("id"), str)}

    def _finds_anybody(self, group: str) -> bool:
        """Nothing in a Patient tells its Groups, so the filter cannot be applied again here (DATA-06)."""
        with self._server.likewise(most_pages=1) as one_page:
            try:
                return bool(_members(one_page, group).matches)
            except StoppedError:
                raise
            except FatalServerError:  # it knows that there is none
                return False

    def _remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks.append(text)


def _members(server: FhirServer, group: str) -> Found:
    return server.search("Patient", [("_has:Group:member:_id", group)])


def check_whole(found: Found, what: str, whom: str) -> None:
    """ServerError when a search across patients did not bring everything: nobody knows who is missing."""
    failure: ServerError | None = found.failure
    if failure is not None:
        raise failure
    if not found.complete or any(issue.is_failure for issue in found.issues):
        raise FatalServerError(f"{what}: the server cut its answer short; a part of {whom} is no list to go by.")


def _asked_codes(value_set: ValueSet, signs: Signs) -> Iterator[Coding]:
    """Exact codes of a set; a prefix stands for itself, for known longer codes, and for each further digit.

    ICD codes are asked for with and without their dot, since records are written both ways (DATA-55).
    """
    for member in value_set.members:
        longer: Iterable[str] = ()
        if member.match == "prefix":
            known = (other.code for other in value_set.members if other.system in (member.system, ICD10CM))
            digits = (f"{member.code}{'' if '.' in member.code else '.'}{digit}" for digit in range(10))
            longer = (*(code for code in known if code.startswith(member.code)), *digits)
        for code in (member.code, *longer):
            spellings = (code, code.replace(".", "")) if member.system in ICD_SYSTEMS else (code,)
            yield from (found for each in spellings if signs.include_code(found := Coding(member.system, each)))


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _dicts(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
