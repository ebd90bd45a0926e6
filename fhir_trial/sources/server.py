"""A FHIR server as a source of patients: paged searches, one patient at a time, with an honest state for each type (DATA-19)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_trial.criteria.needs import Needs
from fhir_trial.errors import FatalServerError, PatientNotFoundError, ServerError
from fhir_trial.records.model import Issue, LoadState
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources.candidates import check_whole
from fhir_trial.sources.claims import worse
from fhir_trial.sources.filters import answering
from fhir_trial.sources.following import follow, local_reference, state_of
from fhir_trial.sources.newest import replaces
from fhir_trial.sources.patient_links import last_two, patient_link
from fhir_trial.sources.report import ReadReport
from fhir_trial.sources.search_plan import PlannedType, Search, patient_parameter, plan
from fhir_trial.transport import FhirServer, Found, MovedError, NotAuthorisedError, NotFoundError, RestrictedError
from fhir_trial.transport.connection import StoppedError
from fhir_trial.transport.scopes import allows

Json = dict[str, Any]
_NOT_THEIRS = "A resource filed under another record, or under none, was dropped."
_ELSEWHERE = (
    "A resource whose patient has the same id under another address was dropped. "
    "If that address is the same server, add it to the setting 'aliases'."
)
#: Of a hospital's hundred thousand patients all of them would fill the memory.
_SEARCHES_KEPT = 10_000


class ServerSource:
    """Patients from a FHIR server.

    Args:
        patients: ``p1`` or ``Patient/p1``; every Patient of the server when empty.
        codes: As ``observation_codes`` gives, for a server that hands out Observations by code alone.

    Attributes:
        report: What was dropped, and why.
        searched: The latest searches sent for patients and what came of them, with nothing of a patient; for ``server check``.
    """

    def __init__(self, server: FhirServer, patients: Sequence[str] = (), *, codes: Sequence[str] = ()) -> None:
        self._server, self._codes = server, codes
        self._asked = tuple(sorted({f"Patient/{name.removeprefix('Patient/')}" for name in patients}))
        self.report = ReadReport()
        self.searched: list[Searched] = []
        self._learnt = _Learnt()

    def patients(self, needs: Needs) -> Iterator[RawPatient]:
        """Each patient once, in the order of the reference.

        Raises:
            PatientNotFoundError: None of the patients asked for is there.
            ServerError: The server does not answer, or does not let a Patient be read.
        """
        self.report = ReadReport()
        found = False
        for patient in self._patient_resources():
            found = True
            yield self._raw_patient(patient, needs)
        if not found:
            raise PatientNotFoundError("No such patient on the server.")

    def patient(self, reference: str, needs: Needs) -> RawPatient:
        """One patient.

        Raises:
            PatientNotFoundError: There is none of that name, or it was merged into another.
        """
        return self._raw_patient(self._patient(f"Patient/{reference.removeprefix('Patient/')}"), needs)

    def _patient_resources(self) -> Iterator[Json]:
        if not self._asked:
            found = self._server.search("Patient", [])
            check_whole(found, "Patient search", "the patients")
            by_id = {f"Patient/{patient['id']}": patient for patient in found.matches if isinstance(patient.get("id"), str)}
            yield from (by_id[reference] for reference in sorted(by_id))
            return
        for reference in self._asked:
            try:
                patient = self._patient(reference)
            except (PatientNotFoundError, NotAuthorisedError, RestrictedError) as error:
                if len(self._asked) == 1:
                    raise
                self.report.note(f"patient-{error.issue_type}", "Patient", error.message)  # one of many does not stop the rest
                continue
            yield patient

    def _patient(self, reference: str) -> Json:
        try:
            patient = self._server.read(reference)
        except NotFoundError:
            raise PatientNotFoundError("No such patient on the server.") from None
        except MovedError:
            raise PatientNotFoundError("The server points elsewhere for this patient: the record was merged, or moved.") from None
        if patient.get("id") != reference.split("/")[1]:  # DATA-45
            raise PatientNotFoundError("The server answered with another patient: the record was merged into that one.")
        return patient

    def _raw_patient(self, patient: Json, needs: Needs) -> RawPatient:
        chart = _Fetch(self._server, patient["id"], self.report, self.searched, self._learnt)
        for planned in plan(needs, self._server.capabilities(), codes=self._codes).types:
            chart.fetch(planned)
        chart.follow()
        del self.searched[:-_SEARCHES_KEPT]
        self.report.resources["Patient"] += 1
        return RawPatient(
            reference=f"Patient/{patient['id']}",
            patients=(patient,),
            resources=tuple(chart.resources.values()),
            by_reference=self._names(chart.resources),
            names={id(resource): name for name, resource in chart.resources.items()},
            states=chart.states,
            default_state=LoadState.NOT_ASKED,
            issues=tuple(chart.issues),
        )

    def _names(self, resources: dict[str, Json]) -> dict[str, Json]:
        bases = (self._server.base, *self._server.settings.aliases)
        return resources | {f"{base}/{name}": resource for base in bases for name, resource in resources.items()}


@dataclass(frozen=True, slots=True)
class Searched:
    """A search that was sent for one patient.

    Attributes:
        count: Of the patient's own resources that answer it.
        ignored: Names of parameters that the server did not apply.
        refusal: What the server said instead of an answer; None when it answered.
    """

    search: Search
    count: int = 0
    ignored: frozenset[str] = frozenset()
    refusal: str | None = None


@dataclass(slots=True)
class _Learnt:
    """What one patient taught of a server, for those that follow.

    Attributes:
        whole: Types of which it refuses the search by category.
        by_code: Types of which it refuses everything but a search by code.
    """

    whole: set[str] = field(default_factory=set)
    by_code: set[str] = field(default_factory=set)


class _Fetch:
    """Fetching one patient."""

    def __init__(
        self, server: FhirServer, patient_id: str, report: ReadReport, searched: list[Searched], learnt: _Learnt
    ) -> None:
        self._server, self._patient_id, self._report = server, patient_id, report
        self._reference = f"Patient/{patient_id}"
        self._searched, self._learnt = searched, learnt
        self.resources: dict[str, Json] = {}
        self.states: dict[str, LoadState] = {}
        self.issues: list[Issue] = []

    def fetch(self, planned: PlannedType) -> None:
        """Everything that is planned for one type."""
        kind = planned.resource_type
        if planned.refused is not None:
            self._state(kind, LoadState.NOT_ASKED, planned.refused)
            return
        if not self._is_granted(kind):
            return
        if kind in self._learnt.by_code and self._by_code(planned):
            return
        by_code: bool | None = None  # not tried
        for search in (Search(kind),) if kind in self._learnt.whole else planned.searches:
            try:
                found = self._search(search, planned.searches)
            except ServerError as error:
                if by_code is None and _is_refusal(error):
                    if search.filters and self._whole_type(search, planned):
                        return
                    by_code = not search.optional and self._by_code(planned)
                if not (by_code and _is_refusal(error)):
                    self._lost(search, error)
                continue
            if search.filters and "category" in found.ignored:
                self._ignored(kind, "category")
                return

    def _ignored(self, kind: str, name: str) -> None:
        self._issue("filter-ignored", "information", kind, f"The server ignored the {name}: the whole type came at once.")

    def _by_code(self, planned: PlannedType) -> bool:
        """Asks for the codes that we know, where all else is refused; False when there are none, or that is refused as well.

        A result under another code does not come, so that the absence of one says nothing (DATA-15).
        """
        kind = planned.resource_type
        for search in planned.by_code:
            try:
                found = self._search(search, planned.by_code)
            except StoppedError:
                raise
            except ServerError:
                return False
            if "code" in found.ignored:
                self._ignored(kind, "code")
                return True
        if planned.by_code:
            self._learnt.by_code.add(kind)
            text = (
                "The server gives this type by code only: what has a code that no mapping and no site overlay knows did not come."
            )
            self._state(kind, LoadState.PARTIAL, text)
        return bool(planned.by_code)

    def _is_granted(self, kind: str) -> bool:
        """Whether the type may be searched by the scopes granted; a granular one leaves it partial, whatever comes (SMART-31)."""
        granted = self._server.granted_scopes
        self.states[kind] = LoadState.FETCHED
        if granted is None or allows(granted, kind, "s"):
            return True
        if any(scope.resource_type in (kind, "*") and "s" in scope.letters for scope in granted):
            self._state(kind, LoadState.PARTIAL, "Only a part of this type was granted to us.")
            return True
        self._state(kind, LoadState.NOT_AUTHORISED, "The scopes granted to us leave this type out.")
        return False

    def _lost(self, search: Search, error: ServerError) -> None:
        """What a refused search means for its type."""
        kind = search.resource_type
        if search.optional and _is_refusal(error):
            text = "The server refuses a search for all other categories: what has none was not asked for."
            self._issue("others-not-asked", "information", kind, text)
        else:
            self._state(kind, state_of(error), error.message)

    def _whole_type(self, search: Search, planned: PlannedType) -> bool:
        """Asks for a type without the category that the server refuses (DATA-14); False when that is refused as well."""
        kind = planned.resource_type
        try:
            self._search(Search(kind), planned.searches)
        except StoppedError:
            raise
        except ServerError:
            return False
        self._learnt.whole.add(kind)
        text = f"The server refuses a search by {search.filters[0][0]}: the whole type was asked for."
        self._issue("filter-refused", "information", kind, text)
        return True

    def follow(self) -> None:
        known = dict(self.resources)
        for kind, state in follow(self._server, list(self.resources.values()), known).items():
            self._state(kind, state, "Some resources that others refer to could not be read.")
        for name, resource in known.items():
            if name not in self.resources and (resource["resourceType"] != "Observation" or self._is_the_patients(resource)):
                self._keep(resource)

    def _search(self, search: Search, all_of_type: Iterable[Search]) -> Found:
        kind = search.resource_type
        by_patient = patient_parameter(kind, self._patient_id, self._server.capabilities())
        try:
            found = self._server.search(kind, [by_patient, *search.filters])
        except ServerError as error:
            self._searched.append(Searched(search, refusal=error.message))
            raise
        own = [resource for resource in found.matches if self._is_the_patients(resource)]
        if by_patient[0] in found.ignored and len(own) < len(found.matches):
            message = f"{kind} search: the server ignored the patient; other people's data came and was dropped."
            self._searched.append(Searched(search, ignored=found.ignored, refusal=message))
            raise _OtherPeopleError(message)
        # A filter that was ignored is applied here, as wide as all searches of the type together (DATA-05, DATA-06).
        asked = tuple(all_of_type) if "category" in found.ignored or not search.filters else (search,)
        kept = answering(own, asked)
        for resource in kept:
            self._keep(resource)
        self._searched.append(Searched(search, len(kept), found.ignored))
        self._judge(kind, found)
        return found

    def _judge(self, kind: str, found: Found) -> None:
        """What the server's own remarks mean for the state of the type."""
        if found.failure is not None:
            self._state(kind, LoadState.PARTIAL, found.failure.message)
        if any(issue.says_restricted for issue in found.issues):
            self._state(kind, LoadState.RESTRICTED, "The server withholds some of this record.")
        elif any(issue.is_failure for issue in found.issues):
            self._state(kind, LoadState.FAILED, "The server reported an error beside its answer.")
        elif not found.complete and found.failure is None:
            self._state(kind, LoadState.PARTIAL, "The server cut its answer short.")

    def _is_the_patients(self, resource: Json) -> bool:
        """The filter by patient, applied again (DATA-06): data of somebody else is dropped and reported (DATA-47, R33)."""
        link = patient_link(resource)
        if link is not None and (link == self._reference or local_reference(link, self._server) == self._reference):
            return True
        self._report.count("wrong-patient" if link else "no-subject")
        kind = resource["resourceType"]
        self.states[kind] = worse(self.states.get(kind), LoadState.PARTIAL)  # the server took it for the patient's
        is_elsewhere = link is not None and "://" in link and last_two(link) == self._reference
        self._issue("wrong-patient", "error", kind, _ELSEWHERE if is_elsewhere else _NOT_THEIRS)
        return False

    def _keep(self, resource: Json) -> None:
        """De-duplicated across pages and searches, the higher version wins (DATA-16)."""
        kind, identity = resource["resourceType"], resource.get("id")
        if not isinstance(identity, str):
            self._report.note("not-a-resource", kind, "A resource without id was dropped.")
            self._state(kind, LoadState.PARTIAL, "A resource without id was dropped.")
            return
        name = f"{kind}/{identity}"
        if name not in self.resources:
            self._report.resources[kind] += 1
        if name not in self.resources or replaces(resource, self.resources[name]):
            self.resources[name] = resource

    def _state(self, kind: str, state: LoadState, why: str) -> None:
        self.states[kind] = worse(self.states.get(kind), state)
        self._issue(f"type-{state}", "warning", kind, why)

    def _issue(self, code: str, severity: str, kind: str, text: str) -> None:
        issue = Issue(code, severity, None, kind, text)
        if issue not in self.issues:
            self.issues.append(issue)


class _OtherPeopleError(FatalServerError):
    """The server did not look at the patient."""


def _is_refusal(error: ServerError) -> bool:
    """Whether the server says that it does not do this kind of search, rather than that this record may not be seen."""
    return isinstance(error, FatalServerError) and not isinstance(
        error, NotAuthorisedError | RestrictedError | MovedError | StoppedError | _OtherPeopleError
    )
