"""A trial's own cases: sentences with a record and what must come out, in ``mappings/trials/<id>/cases.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, fields, validate

from fhir_trial.criteria.answers import Answer, Outcome, Why
from fhir_trial.definitions.case_language import CaseWordError, raw_patient
from fhir_trial.definitions.kinds import DefinitionSchema, messages_of
from fhir_trial.definitions.schemas import flattened
from fhir_trial.definitions.trial_files import CASES, load_trial
from fhir_trial.definitions.yaml_source import Problem, YamlFile, nearest, read_yaml
from fhir_trial.quantities import Number, write_number
from fhir_trial.records.model import LoadState
from fhir_trial.screening.screen import screen_patient
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Overall, Verdict


class _Labelled(DefinitionSchema):
    id = fields.String()
    on = fields.String()


class LabFormSchema(_Labelled):
    """A result: by analyte, LOINC code or name."""

    analyte = fields.String()
    code = fields.String()
    name = fields.String()
    value = fields.Raw()
    unit_as = fields.String(validate=validate.OneOf(["ucum", "text", "string", "quoted"]))
    low = fields.Raw()
    high = fields.Raw()
    range_text = fields.String()
    flag = fields.String()
    status = fields.String()
    issued = fields.String()
    note = fields.String()
    by = fields.String()
    specimen = fields.String()
    beside = fields.List(fields.Nested(lambda: LabFormSchema()))  # noqa: PLW0108 - the class is not made yet


class DiagnosisFormSchema(_Labelled):
    """A Condition."""

    code = fields.Raw()
    text = fields.String()
    recorded = fields.String()
    ended = fields.String()
    status = fields.String()
    verification = fields.String()
    category = fields.String()


class DrugFormSchema(_Labelled):
    """A drug in one of the four medication resources."""

    name = fields.String()
    code = fields.Raw()
    as_ = fields.String(data_key="as", validate=validate.OneOf(["request", "statement", "dispense", "administration"]))
    status = fields.String()
    intent = fields.String()
    dose = fields.String()
    times = fields.String()
    sig = fields.String()
    as_needed = fields.Boolean()
    route = fields.String()
    from_ = fields.String(data_key="from")
    to = fields.String()
    days = fields.Raw()
    status_reason = fields.String()
    note = fields.String()


class ReportFormSchema(_Labelled):
    """A report or a document with its text."""

    name = fields.String()
    code = fields.String()
    as_ = fields.String(data_key="as", validate=validate.OneOf(["DiagnosticReport", "DocumentReference"]))
    text = fields.String()
    status = fields.String()


class ProcedureFormSchema(_Labelled):
    """A Procedure."""

    code = fields.Raw()
    text = fields.String()
    status = fields.String()


class ConsentFormSchema(_Labelled):
    """A Consent."""

    study = fields.String()
    by = fields.List(fields.String())
    decision = fields.String(validate=validate.OneOf(["permit", "deny"]))
    status = fields.String()
    scope = fields.String()


class RecordFormSchema(DefinitionSchema):
    """One thing on record, in its short form."""

    lab = fields.Nested(LabFormSchema)
    diagnosis = fields.Nested(DiagnosisFormSchema)
    drug = fields.Nested(DrugFormSchema)
    report = fields.Nested(ReportFormSchema)
    procedure = fields.Nested(ProcedureFormSchema)
    consent = fields.Nested(ConsentFormSchema)
    fhir = fields.Dict(keys=fields.String(), values=fields.Raw(allow_none=True))


class PatientFormSchema(DefinitionSchema):
    """The patient."""

    birth_date = fields.String()
    sex = fields.String()
    birth_sex = fields.String()
    active = fields.Boolean()
    deceased = fields.Raw()
    links = fields.List(fields.Raw())


class CaseSchema(DefinitionSchema):
    """A case: a sentence, a record, and what must come out.

    ``like`` names an earlier case whose patient and record it takes over: an item with the id of one there replaces it,
    ``without`` leaves items out. ``loaded`` says what became of the search for a type ("fetched"); ``copies`` are other copies of
    the patient (VER-07).
    """

    name = fields.String(required=True)
    rulings = fields.List(fields.String(), load_default=list)
    like = fields.String(load_default=None)
    without = fields.List(fields.String(), load_default=list)
    as_of = fields.Date(required=True)
    first_dose = fields.Date(load_default=None)
    complete = fields.Boolean(load_default=False)
    settings = fields.Dict(keys=fields.String(), values=fields.Raw(), load_default=dict)
    timezone = fields.String(load_default=None)
    loaded = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf([state.value for state in LoadState])),
        load_default=dict,
    )
    patient = fields.Nested(PatientFormSchema, load_default=dict)
    copies = fields.List(fields.Nested(PatientFormSchema), load_default=list)
    record = fields.List(fields.Nested(RecordFormSchema), load_default=list)
    expect = fields.Dict(keys=fields.String(), values=fields.Raw(), required=True, validate=validate.Length(min=1))


class ExpectationSchema(DefinitionSchema):
    """What is expected of one criterion; a piece of evidence is matched by the keys that are given."""

    answer = fields.String(validate=validate.OneOf([outcome.value for outcome in Outcome]))
    why = fields.String(allow_none=True, validate=validate.OneOf([why.value for why in Why]))
    holds_until = fields.String(allow_none=True)
    reason_has = fields.String()
    next_step_has = fields.String()
    evidence = fields.List(fields.Dict(keys=fields.String(), values=fields.Raw(allow_none=True)))
    parts = fields.Dict(keys=fields.String(), values=fields.String())


_OF_THE_PATIENT = ("overall", "blockers", "missing", "missing_has", "issues")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of a case; it passes when nothing differs."""

    name: str
    rulings: tuple[str, ...]
    place: str
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.differences


def run_cases(trial: str, mappings: Path) -> Iterator[CaseResult]:
    """Runs every case of a trial, in the file's order; the trial is loaded once for each set of settings.

    Raises:
        DefinitionError: The file is missing or written wrong, with file, line and column.
    """
    folder = mappings / "trials" / trial.partition("@")[0]
    source = read_yaml(folder / CASES, (folder / CASES).relative_to(mappings).as_posix())
    if not isinstance(source.content, list):
        raise source.error(Problem((), "Expected a list of cases."))
    loaded = _LoadedTrials(trial, mappings)
    told: dict[str, _Told] = {}
    for index, written in enumerate(source.content):
        case = _loaded(CaseSchema(), written, (index,), source)
        if case["name"] in told:
            raise source.error(Problem((index, "name"), "This name is given twice."))
        told[case["name"]] = _told(index, case, written, told, source)
        yield _run(index, case, told[case["name"]], loaded.trial(case), source)


def trials_with_cases(mappings: Path) -> list[str]:
    """The trials that have a case file."""
    return sorted(path.parent.name for path in (mappings / "trials").glob(f"*/{CASES}"))


@dataclass(frozen=True, slots=True)
class _Told:
    """What a case tells of the patient, with what it took over from another."""

    patient: dict[str, Any]
    record: list[dict[str, Any]]


class _LoadedTrials:
    """The trial under each set of settings and zones that the cases ask for."""

    def __init__(self, name: str, mappings: Path) -> None:
        self._name = name
        self._mappings = mappings
        self._trials: dict[tuple[Any, ...], ResolvedTrial] = {}

    def trial(self, case: Mapping[str, Any]) -> ResolvedTrial:
        key = (case["timezone"], *sorted(case["settings"].items()))
        if key not in self._trials:
            self._trials[key] = load_trial(
                self._name, settings=case["settings"], timezone=case["timezone"], mappings=self._mappings
            )
        return self._trials[key]


def _told(
    index: int, case: Mapping[str, Any], written: Mapping[str, Any], earlier: Mapping[str, _Told], source: YamlFile
) -> _Told:
    patient, record = dict(written.get("patient", {})), list(written.get("record", []))
    if case["like"] is None:
        return _Told(patient, record)
    model = earlier.get(case["like"])
    if model is None:
        raise source.error(Problem((index, "like"), f"No earlier case has this name.{nearest(case['like'], list(earlier))}"))
    known = {_id_of(item) for item in model.record} - {None}
    for number, left_out in enumerate(case["without"]):
        if left_out not in known:
            raise source.error(Problem((index, "without", number), f"Nothing in that case has the id '{left_out}'."))
    gone = {*case["without"], *(_id_of(item) for item in record)} - {None}
    return _Told(model.patient | patient, [item for item in model.record if _id_of(item) not in gone] + record)


def _id_of(item: Mapping[str, Any]) -> str | None:
    return next((form.get("id") for form in item.values()), None)


def _run(index: int, case: Mapping[str, Any], told: _Told, trial: ResolvedTrial, source: YamlFile) -> CaseResult:
    states = {kind: LoadState(state) for kind, state in case["loaded"].items()}
    try:
        raw = raw_patient(told.patient, told.record, trial.terminology, copies=case["copies"], states=states)
    except CaseWordError as error:
        raise source.error(Problem((index, "record"), str(error))) from None
    verdict = screen_patient(raw, trial, as_of=case["as_of"], first_dose=case["first_dose"], complete=case["complete"])
    differences = [
        difference
        for about, wanted in case["expect"].items()
        for difference in _differences(about, wanted, verdict, source, (index, "expect", about))
    ]
    place = source.place((index,))
    return CaseResult(case["name"], tuple(case["rulings"]), f"{source.name}:{place.line}", tuple(differences))


def _loaded(schema: DefinitionSchema, written: Any, path: tuple[str | int, ...], source: YamlFile) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(written)
    except ValidationError as error:
        where, message = flattened(messages_of(error))[0]
        raise source.error(Problem(path + where, message)) from None
    return loaded


def _differences(about: str, wanted: Any, verdict: Verdict, source: YamlFile, path: tuple[str | int, ...]) -> Iterator[str]:
    if about in _OF_THE_PATIENT:
        yield from _patient_differences(about, wanted, verdict)
        return
    known = [criterion.id for criterion, _ in verdict.answers]
    if about not in known:
        raise source.error(Problem(path, f"Unknown criterion '{about}'.{nearest(about, [*known, *_OF_THE_PATIENT])}"))
    expected = _expectation(wanted, path, source)
    for difference in _answer_differences(expected, verdict.answer(about), verdict.holds_until(about)):
        yield f"{about}: {difference}"


def _expectation(wanted: Any, path: tuple[str | int, ...], source: YamlFile) -> dict[str, Any]:
    """``"unknown stale"`` is short for ``{answer: unknown, why: stale}``."""
    if isinstance(wanted, str):
        answer, _, why = wanted.partition(" ")
        wanted = {"answer": answer, "why": why or None}
    return _loaded(ExpectationSchema(), wanted, path, source)


def _patient_differences(about: str, wanted: Any, verdict: Verdict) -> Iterator[str]:
    found: Any
    match about:
        case "overall":
            found = verdict.overall.value
            wanted = Overall(wanted).value if wanted in [overall.value for overall in Overall] else wanted
        case "blockers":
            found = list(verdict.blockers)
        case "missing":
            found = list(verdict.missing)
        case "missing_has":
            found = [name for name in verdict.missing if name in wanted]
        case _:
            found = sorted({issue.code for issue in verdict.issues} & set(wanted))
            wanted = sorted(wanted)
    if found != wanted:
        yield f"{about}: expected {wanted}, found {found}"


def _answer_differences(expected: Mapping[str, Any], answer: Answer, ends: date | None) -> Iterator[str]:
    found = {
        "answer": answer.outcome.value,
        "why": answer.why.value if answer.why else None,
        "holds_until": ends.isoformat() if ends else None,
    }
    shown = f"{found['answer']} {found['why'] or ''}".strip()
    for key, value in found.items():
        if key in expected and expected[key] != value:
            yield f"{key}: expected {expected[key]}, found {value} ({shown}: {answer.reason})"
    for key, sentence in (("reason_has", answer.reason), ("next_step_has", answer.next_step)):
        if key in expected and expected[key].lower() not in str(sentence).lower():
            yield f"{key}: expected '{expected[key]}' in '{sentence}'"
    parts = dict(answer.parts)
    for name, wanted in expected.get("parts", {}).items():
        part = parts.get(name)
        stands = f"{part.outcome.value} {part.why.value if part.why else ''}".strip() if part else "no such part"
        if stands != wanted:
            yield f"part {name}: expected {wanted}, found {stands}"
    pieces = [_evidence_shown(evidence) for evidence in answer.evidence]
    for wanted in expected.get("evidence", []):
        if not any(all(str(piece.get(key)) == str(value) for key, value in wanted.items()) for piece in pieces):
            yield f"evidence: no piece with {wanted} among {pieces}"


def _evidence_shown(evidence: Any) -> dict[str, Any]:
    value = evidence.value
    return {
        "reference": evidence.origin.reference.removeprefix("Observation/"),
        "date": evidence.dated.text if evidence.dated else None,
        "original": evidence.original,
        "value": write_number(value) if isinstance(value, Number) else value,
        "unit": evidence.unit,
        "limit": evidence.limit,
        "role": evidence.role.value,
    }
