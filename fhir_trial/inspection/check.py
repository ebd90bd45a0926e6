"""The check of a server: its own account, the searches of the trial's plan on a few patients, and what that means (DATA-20).

It reads with the very code that screens, so that what it finds is what a screening will meet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from fhir_trial.errors import PatientNotFoundError, ServerError
from fhir_trial.inspection.access import access_of
from fhir_trial.inspection.advice import next_steps
from fhir_trial.inspection.findings import OpenCriterion, SearchSeen, ServerReport, TypeSeen
from fhir_trial.inspection.local_words import local_words
from fhir_trial.inspection.sampling import Sample, sample
from fhir_trial.inspection.writing import outlook, remarks
from fhir_trial.records.model import LoadState, PatientRecord
from fhir_trial.records.own_results import OwnMarks
from fhir_trial.records.reading import read_record
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources.candidates import MISSES
from fhir_trial.sources.claims import worse
from fhir_trial.sources.patient_links import SHARED_TYPES
from fhir_trial.sources.search_plan import PlannedType, SearchPlan, observation_codes, patient_parameter, trial_plan
from fhir_trial.sources.server import Searched, ServerSource
from fhir_trial.transport import FhirServer, NotAuthorisedError, RestrictedError
from fhir_trial.transport.connection import StoppedError
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.writeback.settings import WriteBack, WriteSettings

_SPLIT_BY_CATEGORY = {"Condition": ("problem-list-item", "encounter-diagnosis"), "Observation": (), "DiagnosticReport": ()}


@dataclass(slots=True)
class _Pulled:
    """What the sample brought.

    Attributes:
        refused: The last refusal to read a Patient; None when all could be read.
    """

    patients: list[RawPatient] = field(default_factory=list)
    searched: list[Searched] = field(default_factory=list)
    refused: ServerError | None = None


def check_server(
    server: FhirServer,
    trial: ResolvedTrial,
    *,
    patients: int = 3,
    named: Sequence[str] = (),
    write_back: WriteBack | WriteSettings = WriteBack.OFF,
) -> ServerReport:
    """Everything that can be said of a server without writing to it.

    Args:
        patients: At most so many are tried; 0 looks at the server's own account alone.
        named: Ids or references of the patients to try instead, such as a hospital's test patients.
        write_back: The mode that the settings name, or all of them, so that the route is told that they allow.

    Raises:
        ServerError: The server does not answer, gives no token, is no FHIR server, or lets no patient be read.
        PatientNotFoundError: None of ``named`` is there.
    """
    settings = write_back if isinstance(write_back, WriteSettings) else WriteSettings(write_back)
    server.sign_in()
    capabilities = server.capabilities()
    planned = trial_plan(trial, capabilities)
    chosen = _chosen(server, trial, patients, named)
    pulled = _pull(server, chosen.patients, trial)
    if pulled.refused is not None and not pulled.patients:
        raise pulled.refused
    if named and not pulled.patients:
        raise PatientNotFoundError("None of the patients named is on the server.")
    types = tuple(_types(server, planned, pulled))
    local = local_words(_records(pulled.patients, trial), trial)
    criteria = tuple(_open_criteria(trial, types))
    writes = outlook(capabilities)
    seen = replace(chosen, patients=tuple(one.reference for one in pulled.patients))
    return ServerReport(
        server=server.base,
        fhir_version=capabilities.fhir_version,
        software=capabilities.software,
        access=access_of(server),
        scopes=planned.scopes(),
        trial=trial.trial.id,
        version=trial.trial.version,
        sample=len(pulled.patients),
        sampled_by=chosen.how,
        misses=MISSES,
        types=types,
        criteria=criteria,
        write_back=writes,
        write_remarks=remarks(capabilities, settings),
        local=local,
        todo=tuple(next_steps(capabilities, seen, types, writes, local)),
    )


def _chosen(server: FhirServer, trial: ResolvedTrial, patients: int, named: Sequence[str]) -> Sample:
    if named:
        return Sample(tuple(f"Patient/{name.removeprefix('Patient/')}" for name in named), "those named", None)
    return sample(server, trial, patients) if patients else Sample((), "nobody, as asked", None)


def _pull(server: FhirServer, references: Sequence[str], trial: ResolvedTrial) -> _Pulled:
    pulled = _Pulled()
    source = ServerSource(server, codes=observation_codes(trial))
    for reference in references:
        try:
            pulled.patients.append(source.patient(reference, trial.needs))
        except (NotAuthorisedError, RestrictedError) as error:
            pulled.refused = error
        except PatientNotFoundError:
            continue  # merged, or a diagnosis of nobody: one of a sample
    pulled.searched = source.searched
    return pulled


def _records(patients: Iterable[RawPatient], trial: ResolvedTrial) -> Iterator[PatientRecord]:
    for raw in patients:
        yield read_record(raw, trial.zone, own=OwnMarks(trial.own_bases))


# --- types -----------------------------------------------------------------------


def _types(server: FhirServer, planned: SearchPlan, pulled: _Pulled) -> Iterator[TypeSeen]:
    for each in planned.types:
        kind = each.resource_type
        state = LoadState.NOT_ASKED if each.refused is not None else None
        for patient in pulled.patients:
            state = worse(state, patient.states.get(kind, LoadState.NOT_ASKED))
        searches = tuple(_searches(each, pulled.searched))
        told = [] if each.refused is None else [each.refused]
        told += [issue.text for patient in pulled.patients for issue in patient.issues if issue.path == kind]
        categories = _categories(kind, pulled.patients)
        shown = {text for search in searches for text in search.refusals}
        told = [text for text in dict.fromkeys(told) if text not in shown]
        odd = (*told, *_lies(server, each, state, pulled.patients), *_one_sided(kind, categories))
        yield TypeSeen(kind, state, each.needed_by, searches, tuple(odd), categories)


def _searches(planned: PlannedType, searched: Iterable[Searched]) -> Iterator[SearchSeen]:
    """Those of the plan, and the whole type where the server made that necessary."""
    sent: dict[str, list[Searched]] = {each.shown(planned.patient_parameter): [] for each in planned.searches}
    optional = {each.shown(planned.patient_parameter) for each in planned.searches if each.optional}
    for one in searched:
        if one.search.resource_type == planned.resource_type:
            sent.setdefault(one.search.shown(planned.patient_parameter), []).append(one)
    for query, times in sent.items():
        ignored = sorted({name for one in times for name in one.ignored})
        refusals = dict.fromkeys(one.refusal for one in times if one.refusal is not None)
        count = sum(one.count for one in times)
        yield SearchSeen(query, query in optional, len(times), count, tuple(ignored), tuple(refusals))


def _lies(server: FhirServer, planned: PlannedType, state: LoadState | None, patients: Sequence[RawPatient]) -> Iterator[str]:
    """Where the server does otherwise than its CapabilityStatement says."""
    kind = planned.resource_type
    if state is LoadState.FAILED and server.capabilities().offers(kind, "search-type"):
        yield "Listed in the CapabilityStatement, and yet a search of it was refused or broke."
    if planned.refused is not None and patients:
        identity = patients[0].reference.split("/")[1]
        try:
            found = server.search(kind, [patient_parameter(kind, identity, server.capabilities())])
        except StoppedError:
            raise
        except ServerError:
            return
        if found.matches:  # an empty answer proves nothing: some servers answer so whatever is asked
            yield "Not listed in the CapabilityStatement, and yet a search of it is answered with data."


def _categories(kind: str, patients: Iterable[RawPatient]) -> tuple[tuple[str, int], ...]:
    if kind not in _SPLIT_BY_CATEGORY:
        return ()
    counts: Counter[str] = Counter()
    for patient in patients:
        for resource in patient.resources:
            if resource["resourceType"] == kind:
                counts.update({code for code in _category_codes(resource.get("category")) if _is_published(code)})
    return tuple(sorted(counts.items()))


def _category_codes(node: object) -> Iterator[str]:
    for concept in node if isinstance(node, list) else [node]:
        codings = concept.get("coding") if isinstance(concept, dict) else None
        for coding in codings if isinstance(codings, list) else ():
            if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                yield coding["code"]


def _is_published(code: str) -> bool:
    """A word of FHIR's own lists ("encounter-diagnosis", "LAB"): what is a hospital's own is not shown."""
    return code.replace("-", "").isalpha() and code.isascii() and len(code) <= len("health-concern-item")


def _one_sided(kind: str, categories: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Vendors that split a type keep each category behind an API of its own (DATA-53)."""
    seen = {category for category, _ in categories}
    expected = _SPLIT_BY_CATEGORY.get(kind, ())
    missing = [category for category in expected if category not in seen]
    if seen and missing:
        yield f"No {' and no '.join(missing)} in the sample: where the vendor has an API for each category, is each registered?"


# --- criteria ----------------------------------------------------------------------


def _open_criteria(trial: ResolvedTrial, types: Iterable[TypeSeen]) -> Iterator[OpenCriterion]:
    """The criteria of which some type did not come, those that lost everything first."""
    states = {each.resource_type: each.state for each in types}
    found: list[OpenCriterion] = []
    for criterion in trial.trial.criteria:
        wanted = [kind for kind in criterion.rule.needs().resource_types if kind != "Patient" and kind not in SHARED_TYPES]
        lost = tuple((kind, state.value) for kind in wanted if (state := states[kind]) is not None and not state.loaded)
        if lost:
            gone = {kind for kind, _ in lost}
            left = tuple(kind for kind in wanted if kind not in gone)
            found.append(OpenCriterion(criterion.id, criterion.title, lost, left))
    yield from sorted(found, key=lambda each: bool(each.left))
