"""A report as one page of HTML: no other file, no script; each picture has its table beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fhir_trial.criteria.answers import Why
from fhir_trial.population.drawing import Bar, Piece, bars, swatch
from fhir_trial.population.markup import Html, element, joined
from fhir_trial.population.report import Report, Step, TrialReport, has_any, number
from fhir_trial.population.report_style import STYLE

_ROUNDED: Final = (
    'All counts of patients are rounded to tens, and "<11" is 1 to 10. What is worked out from them says "about". '
    'Where many counts are parts of one whole, "<11" stands for none as well.'
)
_EXACT: Final = "Counts are exact: this page is for people who may see the patients."
_OVERALL: Final = {
    "potentially-eligible": "Potentially eligible",
    "not-eligible": "Not eligible",
    "indeterminate": "Indeterminate",
}
_WHYS: Final[Mapping[str, str]] = {
    Why.CONFLICTING: "records contradict each other",
    Why.JUDGEMENT: "for a clinician to judge",
    Why.UNUSABLE: "unusable",
    Why.UNSTRUCTURED: "in words only",
    Why.STALE: "too old",
    Why.NOT_LOADED: "not loaded",
    Why.NOT_RECORDED: "not recorded",
}


def report_page(report: Report) -> str:
    """The whole page."""
    title = "Screening funnel: " + ", ".join(trial.title for trial in report.trials)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    body = element(
        "body",
        element("a", "Skip to the funnels", href="#trials", class_="skip"),
        element("header", _opening(report)),
        element("main", [_trial(report, trial) for trial in report.trials], id="trials"),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _opening(report: Report) -> Html:
    several = (
        " of any of these trials was looked at for each of them" if len(report.trials) > 1 else " of the trial was looked at"
    )
    scope = "everybody was looked at" if report.everyone else f"whoever shows a sign{several}"
    made = f"Screened for {report.as_of}: {scope}. Made {report.began:%Y-%m-%d %H:%M} UTC by {report.software}."
    parts = [
        element("h1", "Screening funnel"),
        element("p", made, class_="soft"),
        element("p", report.notice, class_="note"),
        element("p", _EXACT if report.exact else _ROUNDED),
    ]
    if report.lost_types:
        lost = ", ".join(report.lost_types)
        parts.append(element("p", f"Some of the input could not be read, and may belong to any patient: {lost}.", class_="note"))
    if len(report.trials) > 1:
        links = [element("li", element("a", trial.title, href=f"#{_anchor(trial)}")) for trial in report.trials]
        parts.append(element("nav", element("ul", links), aria_label="Trials"))
    return joined(parts)


def _trial(report: Report, trial: TrialReport) -> Html:
    return element(
        "section",
        element("h2", trial.title, id=_anchor(trial)),
        element("p", f"{trial.trial}, criteria {trial.version}", class_="soft"),
        _figures(report, trial),
        _in_order(trial),
        _open(trial),
        _waiting(trial),
        _alone(trial),
        _ages(report, trial),
        _protocol(trial),
        _left_out(report, trial),
        aria_labelledby=_anchor(trial),
    )


def _figures(report: Report, trial: TrialReport) -> Html:
    told = [("Patients in the export", report.patients)]
    if trial.signs is not None:
        told += [("Show a sign of the trial", trial.signs), ("No sign: not looked at", trial.not_looked_at)]
    told += [(_OVERALL[overall], patients) for overall, patients in trial.overall.items()]
    figures = element("dl", [element("div", element("dt", name), element("dd", value)) for name, value in told], class_="figures")
    notes = []
    if trial.misses is not None:
        missed = f"Who shows no sign was not looked at, and is not therefore ineligible. Not seen this way: {trial.misses}"
        notes.append(element("p", missed))
    notes += [element("p", f"Not evaluated: {sentence}") for sentence in trial.not_evaluated]
    return joined([figures, *notes])


def _in_order(trial: TrialReport) -> Html:
    rows = [_funnel_bar(step) for step in trial.steps]
    rows.append(Bar("left", [Piece("reach", number(trial.left), f"{trial.left} left")], trial.left))
    lines = [(_criterion(step), step.reached, step.fallen) for step in trial.steps]
    lines.append((Html("Left: no criterion decides against them"), trial.left, ""))
    return joined(
        [
            element("h3", "In the trial's order", class_="pictured"),
            element(
                "p",
                "How many come to each criterion, and how many of those it decides against. What is open lets a patient pass. "
                f"Patients who have died come to no criterion: {trial.deceased}.",
            ),
            _legend([("reach", "go on"), ("fall", "fall here")]),
            _beside(
                bars("Bars: how many come to each criterion, in order. The table beside says the same.", rows),
                _table(trial, "Patients at each criterion, in order", ("Criterion", "Come to it", "Fall here"), lines),
            ),
        ]
    )


def _funnel_bar(step: Step) -> Bar:
    reached = number(step.reached)
    fallen = min(number(step.fallen), reached)
    pieces = [
        Piece("reach", reached - fallen, f"{step.criterion}: {step.reached} come to it"),
        Piece("fall", fallen, f"{step.criterion}: {step.fallen} fall here"),
    ]
    return Bar(step.criterion, pieces, f"{step.reached}, {step.fallen} fall" if fallen else step.reached)


def _open(trial: TrialReport) -> Html:
    whys = [why for why in Why if any(reason.why == why for step in trial.steps for reason in step.open)]
    looks = {str(why): f"w{nth}" for nth, why in enumerate(Why)} | {"": "w6"}
    asked = [step for step in trial.steps if step.open or number(step.against)]
    rows = [
        Bar(
            step.criterion,
            [
                Piece(looks[reason.why], number(reason.patients), f"{step.criterion}: {_reason(reason.why, reason.patients)}")
                for reason in sorted(step.open, key=lambda reason: list(looks).index(reason.why))
            ],
            "",
        )
        for step in asked
        if step.open
    ]
    lines = [
        (_criterion(step), step.against, _breaks([_reason(reason.why, reason.patients) for reason in step.open]))
        for step in asked
    ]
    return joined(
        [
            element("h3", "In any order", class_="pictured"),
            element("p", "Each criterion for itself: whom it decides against, and of whom it is not known, by why."),
            _legend([(looks[why], _WHYS[why]) for why in whys]),
            _beside(
                bars("Bars: of how many each criterion is open, by why. The table beside says the same.", rows),
                _table(
                    trial, "Patients at each criterion, whatever the others say", ("Criterion", "Against", "Not known"), lines
                ),
            ),
        ]
    )


def _waiting(trial: TrialReport) -> Html:
    """Who would be answered by one datum."""
    alone = [(number(step.only_open), step) for step in trial.steps if has_any(step.only_open)]
    datum = [(number(step.only_datum), step) for step in trial.steps if has_any(step.only_datum)]
    sentences = [
        element(
            "li", element("strong", f"{step.only_open} people"), f" wait for one thing alone: {step.title} ({step.criterion})."
        )
        for _, step in sorted(alone, key=lambda one: -one[0])
    ]
    sentences += [
        element(
            "li",
            element("strong", f"{step.only_datum} people"),
            f" wait for one datum, {step.title} ({step.criterion}); all else that is open is for a person to judge.",
        )
        for _, step in sorted(datum, key=lambda one: -one[0])
    ]
    nobody = "Nobody waits for one thing alone, or fewer than 11 for each."
    told = element("ul", sentences, class_="waits") if sentences else element("p", nobody)
    return joined([element("h3", "Who waits for one thing"), told])


def _alone(trial: TrialReport) -> Html:
    sole = [step for step in trial.steps if has_any(step.only_blocker)]
    if not sole:
        told = element("p", "Nobody is kept out by one criterion alone with nothing open, or fewer than 11 by each.")
    else:
        lines = [(_criterion(step), step.only_blocker) for step in sole]
        told = _table(trial, "Patients whom this criterion alone decides against", ("Criterion", "Patients"), lines)
    return joined([element("h3", "Kept out by one criterion alone"), told])


def _ages(report: Report, trial: TrialReport) -> Html:
    lines = [(Html(element("span", f"{band.age}, {band.sex}")), *band.patients.values()) for band in trial.bands]
    title = element("h3", "By age and sex")
    if not lines:
        return joined([title, element("p", "No group has 11 patients or more.")])
    head = ("Age in years, sex", *(_OVERALL[overall] for overall in trial.overall))
    note = "" if report.exact else " Groups with fewer than 11 patients in each column are not listed."
    return joined([title, _table(trial, f"Patients by overall answer.{note}", head, lines)])


def _protocol(trial: TrialReport) -> Html:
    words: list[Html] = []
    for step in trial.steps:
        words.append(element("dt", _criterion(step)))
        stage = ", asked at enrolment" if step.stage == "enrolment" else ""
        words.append(element("dd", element("blockquote", step.text), f"{step.source} ({step.type}{stage})"))
    return element("details", element("summary", "The criteria in the protocol's words"), element("dl", words))


def _left_out(report: Report, trial: TrialReport) -> Html:
    if not report.left_out or trial is not report.trials[0]:
        return Html("")
    told = ", ".join(f"{reason} ({count})" for reason, count in report.left_out.items())
    return joined([element("h3", "Not taken as data"), element("p", told)])


# --- pieces ---


def _criterion(step: Step) -> Html:
    return joined([element("span", step.criterion, class_="id"), step.title])


def _reason(why: str, patients: str) -> str:
    return f"{_WHYS.get(why, why or 'open')}: {patients}"


def _breaks(lines: Iterable[str]) -> Html:
    return joined([element("div", line) for line in lines])


def _table(trial: TrialReport, caption: str, head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> Html:
    first, *others = head
    columns = element(
        "tr", element("th", first, scope="col"), [element("th", name, scope="col", class_=_side(name)) for name in others]
    )
    rows = [_line(head, line) for line in lines]
    table = element("table", element("caption", caption), element("thead", columns), element("tbody", rows))
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"{trial.trial}: {caption}")


def _line(head: tuple[str, ...], line: tuple[str, ...]) -> Html:
    first, *others = line
    cells = [element("td", cell, class_=_side(name)) for name, cell in zip(head[1:], others, strict=True)]
    return element("tr", element("th", first, scope="row"), cells)


def _side(name: str) -> str | None:
    return "why" if name == "Not known" else "n"


def _beside(picture: Html, table: Html) -> Html:
    return element("div", picture, table, class_="beside")


def _legend(pieces: Iterable[tuple[str, str]]) -> Html:
    return element("ul", [element("li", swatch(look), words) for look, words in pieces], class_="legend")


def _anchor(trial: TrialReport) -> str:
    return f"{trial.trial}-{trial.version}"
