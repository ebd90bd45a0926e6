"""What to do next, in the order in which it helps: for the engineer who connects a hospital."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_trial.inspection.findings import LocalWords, TypeSeen, WriteOutlook
from fhir_trial.inspection.sampling import Sample
from fhir_trial.records.model import LoadState
from fhir_trial.transport import Capabilities

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
    yield from _for_types(sample, types)
    if sample.by_diagnosis and not local.codes:
        yield "Name patients of local codes with --patient too: a sample by published diagnosis codes may hold no local ones."
    if sample.by_diagnosis is False:
        yield "Screen with --candidates Group/ID, List/ID or a FILE: a search by diagnosis does not work here."
    if local.codes or local.units:
        yield f"Fill in a site overlay ({len(local.codes)} codes, {len(local.units)} units): --overlay FILE writes the draft."
    if any(write.resource_type == "ResearchSubject" and write.goes is False for write in writes):
        yield "Leave writing back off: this server takes no ResearchSubject."


def _for_types(sample: Sample, types: Sequence[TypeSeen]) -> Iterator[str]:
    for state, sentence in _DO.items():
        names = [each.resource_type for each in types if each.state is state]
        if names:
            yield sentence.format(types=", ".join(names), scopes=" ".join(f"system/{name}.rs" for name in names))
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
    ]:
        yield f"Ask whether the hospital has any of these behind another API, since none came, unrefused: {', '.join(empty)}."
    if absent:
        yield f"Ask whether the hospital keeps these anywhere else, since the server has none: {', '.join(absent)}."
