"""What to do next, in the order in which it helps: for the engineer who connects a hospital."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_trial.inspection.findings import LocalWords, TypeSeen, WriteOutlook
from fhir_trial.inspection.sampling import Sample
from fhir_trial.records.model import LoadState
from fhir_trial.transport import Capabilities

#: Of the remark on data that a search brought and that is not the patient's.
OTHERS = "filed under another record"

_DO = {
    LoadState.NOT_AUTHORISED: "Have the read scopes granted for: {types} (in SMART v2, {scopes}).",
    LoadState.RESTRICTED: "Ask the hospital why part of the record is withheld for: {types}. Do not work around it.",
    LoadState.FAILED: "Look at the refusals above, with the operator of the server, for: {types}.",
    LoadState.PARTIAL: "Answers were cut short for: {types}. Ask for the server's limits, or raise 'most_pages' or 'aliases'.",
}


def next_steps(
    capabilities: Capabilities,
    sample: Sample,
    types: Sequence[TypeSeen],
    writes: Sequence[WriteOutlook],
    local: LocalWords,
) -> Iterator[str]:
    """Sentences that begin with what to do."""
    if capabilities.fhir_version is None or not capabilities.fhir_version.startswith("4.0"):
        said = capabilities.fhir_version or "no version"
        yield f"Ask for the FHIR R4 address (4.0.1): this one says {said}."
    if not capabilities.interactions:
        yield "Ask why the CapabilityStatement names no types: every search is tried, and refusals cost time."
    if not sample.patients:
        yield "Name test patients with --patient: nobody could be found, so no search was tried."
    if strangers := [each.resource_type for each in types if any(OTHERS in remark for remark in each.remarks)]:
        names = ", ".join(strangers)
        yield f"Tell the operator: a search for one patient brought data filed under another, or under none: {names}."
    yield from _for_types(sample, types)
    if sample.by_diagnosis and not local.codes:
        yield "Name patients of local codes with --patient too: a sample by published diagnosis codes may hold no local ones."
    if sample.by_diagnosis is False:
        yield "Screen with --candidates Group/ID, List/ID or a FILE: a search by diagnosis does not work here."
    if local.codes or local.units:
        what = " and ".join(_counted(len(some), word) for some, word in ((local.codes, "code"), (local.units, "unit")) if some)
        yield f"Fill in a site overlay ({what}): --overlay FILE writes the draft."
    if any(write.resource_type == "ResearchSubject" and write.goes is False for write in writes):
        yield (
            "Leave writing back off, or set a code for notes (FHIR_TRIAL_NOTE_CODE) or a folder for files "
            "(FHIR_TRIAL_EXPORT_FOLDER): this server takes no ResearchSubject."
        )
    if sample.by_diagnosis is not False:
        yield "Screen, once the rest is as it should be: fhir-trial screen --server NAME --candidates condition"


def _for_types(sample: Sample, types: Sequence[TypeSeen]) -> Iterator[str]:
    for state, sentence in _DO.items():
        names = [each.resource_type for each in types if each.state is state and not _is_by_code(each)]
        if names:
            yield sentence.format(types=", ".join(names), scopes=" ".join(f"system/{name}.rs" for name in names))
    for each in types:
        if _is_by_code(each):
            kind = each.resource_type
            yield f"Have {kind} searched by category, or as a whole type: by code alone a local code is missed without a word."
    if not sample.patients:
        return
    unlisted = [each for each in types if each.state is LoadState.NOT_ASKED]
    hidden = [each.resource_type for each in unlisted if any("is answered" in remark for remark in each.remarks)]
    absent = [each.resource_type for each in unlisted if each.resource_type not in hidden]
    if hidden:
        yield f"Have the CapabilityStatement list what the server can do, since only that is asked for: {', '.join(hidden)}."
    if empty := [
        each.resource_type
        for each in types
        if each.state is not None and each.state.loaded and not any(one.count for one in each.searches)
        if each.resource_type != "ResearchSubject"  # it is we who write those
    ]:
        yield (
            f"Try more patients (--patients, --patient), or ask where the hospital keeps them: the sample has none of these, "
            f"though the server refused nothing: {', '.join(empty)}."
        )
    if absent:
        listed = ", ".join(absent)
        yield f"Ask whether the hospital keeps these anywhere else, since the server lists no search of them: {listed}."


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _is_by_code(seen: TypeSeen) -> bool:
    return seen.state is LoadState.PARTIAL and any("by code only" in remark for remark in seen.remarks)
