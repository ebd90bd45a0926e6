"""The report as text for a terminal: what was found, what it means, what to do."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_trial.inspection.findings import OpenCriterion, SearchSeen, ServerReport, TypeSeen

_MOST_CODES = 20


def report_lines(report: ServerReport) -> Iterator[str]:
    """Line by line, without ends."""
    yield f"Server      {report.server}"
    yield f"FHIR        {report.fhir_version or 'not stated'}{f', {report.software}' if report.software else ''}"
    yield f"Access      {report.access}"
    yield f"Scopes      to read what the trial needs: {' '.join(report.scopes)}"
    yield f"Trial       {report.trial} {report.version}"
    yield f"Sample      {report.sample} patient{'s' * (report.sample != 1)}: {report.sampled_by}"
    yield ""
    yield "Searches (the count is of the sample's own resources)"
    for each in report.types:
        yield from _type(each)
    yield ""
    yield from _criteria(report)
    yield ""
    yield "Writing back (by the server's own account: + it takes the type, - it does not, ? it does not say)"
    yield from (f"  {remark}" for remark in report.write_remarks)
    for write in report.write_back:
        yield f"  {_MARK[write.goes]} {write.resource_type:<18} {write.how}"
    yield ""
    yield from _local(report)
    yield ""
    yield "Whom each way of naming candidates cannot see"
    yield from (f"  {way:<11} {text}" for way, text in report.misses.items())
    yield ""
    yield "Next"
    yield from (f"  {number}. {step}" for number, step in enumerate(report.todo, 1))


_MARK = {True: "+", False: "-", None: "?"}


def _type(seen: TypeSeen) -> Iterator[str]:
    yield f"  {seen.resource_type:<24} {_state(seen):<15} for {' '.join(seen.needed_by)}"
    for search in seen.searches:
        yield f"      {_search(search, seen.resource_type)}"
    if seen.categories:
        yield f"      by category: {', '.join(f'{code} {count}' for code, count in seen.categories)}"
    yield from (f"      ! {remark}" for remark in seen.remarks)


def _state(seen: TypeSeen) -> str:
    return "not tried" if seen.state is None else seen.state.value


def _search(search: SearchSeen, kind: str) -> str:
    if not search.asked:
        return f"{search.query}: not sent"
    notes = [
        *([] if search.refusals and not search.count else [f"{search.count}"]),
        *(f"ignored: {name}" for name in search.ignored),
        *(f"refused: {text.removeprefix(f'{kind} search: ')}" for text in search.refusals),
    ]
    return f"{search.query}: {'; '.join(notes)}"


def _criteria(report: ServerReport) -> Iterator[str]:
    if not report.criteria:
        yield "Every criterion gets all that it reads." if report.sample else "Which criteria stay open was not tried."
        return
    closed = [each for each in report.criteria if not each.left]
    if closed:
        yield "Criteria that stay unknown on this server, since nothing that they read comes"
        yield from (f"  {_criterion(each)}" for each in closed)
    opened = [each for each in report.criteria if each.left]
    if opened:
        yield "Criteria that stay unknown where what does come does not settle them"
        yield from (f"  {_criterion(each)}" for each in opened)


def _criterion(each: OpenCriterion) -> str:
    by_state: dict[str, list[str]] = {}
    for kind, state in each.lost:
        by_state.setdefault(state, []).append(kind)
    lost = "; ".join(f"{', '.join(kinds)} ({state})" for state, kinds in by_state.items())
    return f"{each.id:<6} {each.title}: without {lost}{'; has ' + ', '.join(each.left) if each.left else ''}"


def _local(report: ServerReport) -> Iterator[str]:
    local = report.local
    if not (local.codes or local.units or local.withheld):
        yield "No local code or unit of the sample is unknown here."
        return
    yield "Local codes and units that nothing here knows, by patients of the sample"
    for code in local.codes[:_MOST_CODES]:
        yield f"  {code.patients:>4}  {code.section:<12} {code.system}|{code.code}"
    if len(local.codes) > _MOST_CODES:
        yield f"        and {len(local.codes) - _MOST_CODES} more; --overlay FILE writes them all"
    for unit in local.units:
        yield f"  {unit.patients:>4}  unit         {unit.unit} of {unit.analyte}, read by {' '.join(unit.criteria)}"
    if local.withheld:
        yield f"  {local.withheld} not shown, since they do not look like a code or a unit and might hold a patient's data"
