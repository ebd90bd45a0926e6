"""What ``server check`` finds out: DATA-05, DATA-15, DATA-19, DATA-20, DATA-53, DATA-61, WB-02."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import responses
from ruamel.yaml import YAML

from fhir_trial.definitions.sites import load_site
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.errors import DefinitionError, FatalServerError, PatientNotFoundError, TemporaryServerError
from fhir_trial.inspection import ServerReport, check_server, overlay_draft, report_lines
from fhir_trial.inspection.findings import LocalWords, TypeSeen, UnknownCode
from fhir_trial.records.model import LoadState
from fhir_trial.terminology import load_terminology
from fhir_trial.transport import FhirServer, ServerSettings
from fhir_trial.transport.access import Bearer
from fhir_trial.transport.scopes import read_scopes
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.writeback.settings import WriteBack, WriteSettings
from tests.unit.inspection.hospital import BASE, LOCAL, PLANTED, Hospital


@pytest.fixture(scope="module")
def trial() -> ResolvedTrial:
    return load_trial("nct06789107")


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def hospital(http: responses.RequestsMock) -> Hospital:
    hospital = Hospital("p1", "p2")
    hospital.play(http)
    return hospital


def checked(trial: ResolvedTrial, patients: int = 3, write_back: WriteBack = WriteBack.OFF) -> ServerReport:
    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        return check_server(server, trial, patients=patients, write_back=write_back)


def seen(report: ServerReport, kind: str) -> TypeSeen:
    return next(each for each in report.types if each.resource_type == kind)


def test_each_search_of_the_plan_is_counted_on_patients_with_the_diagnosis(hospital: Hospital, trial: ResolvedTrial) -> None:
    """DATA-19, DATA-20."""
    report = checked(trial)

    assert (report.fhir_version, report.sample) == ("4.0.1", 2)
    assert report.sampled_by == "by a diagnosis of the trial's disease"
    conditions = seen(report, "Condition")
    assert (conditions.state, conditions.searches[0].asked, conditions.searches[0].count) == (LoadState.FETCHED, 2, 4)
    labs = {search.query: search.count for search in seen(report, "Observation").searches}
    assert labs["Observation?patient=...&category=laboratory"] == 4
    assert labs["Observation?patient=...&category=vital-signs"] == 0


def test_criteria_that_lost_everything_come_first_and_those_that_keep_something_say_what(
    hospital: Hospital, trial: ResolvedTrial
) -> None:
    """DATA-19, DATA-20."""
    report = checked(trial)

    by_id = {each.id: each for each in report.criteria}
    assert by_id["C6"].left == ("MedicationRequest",)
    assert ("MedicationStatement", "not-asked") in by_id["C6"].lost
    assert "C7.1" not in by_id
    assert [bool(each.left) for each in report.criteria] == sorted(bool(each.left) for each in report.criteria)


def test_a_search_that_is_listed_and_answers_404_is_told_as_a_lie_and_not_as_an_empty_chart(
    hospital: Hospital, trial: ResolvedTrial
) -> None:
    """DATA-19, DATA-20."""
    hospital.statuses["Observation"] = 404

    report = checked(trial)

    labs = seen(report, "Observation")
    assert labs.state is LoadState.FAILED
    assert "Listed in the CapabilityStatement, and yet a search of it was refused or broke." in labs.remarks
    assert next(each for each in report.criteria if each.id == "C7.1").left == ()
    assert any(step.startswith("Look at the refusals above") and "Observation" in step for step in report.todo)


def test_a_server_that_answers_by_code_alone_is_told_in_few_words_and_leaves_the_type_partial(
    hospital: Hospital, trial: ResolvedTrial
) -> None:
    """DATA-14, DATA-15, DATA-20: the search by codes is counted, not spelt out."""
    hospital.listed["Observation"] = ("patient", "code")
    hospital.by_code_only = True

    report = checked(trial)

    labs = seen(report, "Observation")
    assert labs.state is LoadState.PARTIAL
    assert sum(search.count for search in labs.searches) == 2
    assert max(len(search.query) for search in labs.searches) < 100
    assert any("(40 codes from http://loinc.org|" in search.query for search in labs.searches)
    assert len({search.query for search in labs.searches}) == len(labs.searches)
    (step,) = (each for each in report.todo if "by code" in each)
    assert step.startswith("Have Observation searched by category")
    assert not any(each.startswith("Answers were cut short") for each in report.todo)


def test_a_search_that_the_server_hides_is_found_out(hospital: Hospital, trial: ResolvedTrial) -> None:
    """DATA-20: it is still not asked for, and the next step says what to have mended."""
    del hospital.listed["MedicationRequest"]
    hospital.statuses["Consent"] = 404

    report = checked(trial)

    assert seen(report, "MedicationRequest").state is LoadState.NOT_ASKED
    assert (
        "Not listed in the CapabilityStatement, and yet a search of it is answered with data."
        in seen(report, "MedicationRequest").remarks
    )
    assert not any("is answered" in remark for remark in seen(report, "Consent").remarks)
    assert any(step.startswith("Have the CapabilityStatement list") and "MedicationRequest" in step for step in report.todo)
    assert any(step.startswith("Ask whether the hospital keeps") and "Consent" in step for step in report.todo)
    assert seen(report, "Procedure").remarks == ("The server does not offer a search of this type.",)


def test_a_scope_that_is_missing_is_named_in_the_next_step(hospital: Hospital, trial: ResolvedTrial) -> None:
    """DATA-19."""
    hospital.statuses["MedicationRequest"] = 403

    report = checked(trial)

    assert seen(report, "MedicationRequest").state is LoadState.NOT_AUTHORISED
    assert any("system/MedicationRequest.rs" in step for step in report.todo)
    assert not any(remark.startswith("Listed") for remark in seen(report, "MedicationRequest").remarks)


def test_a_type_of_which_one_vendor_category_is_missing_asks_for_its_registration(
    hospital: Hospital, trial: ResolvedTrial
) -> None:
    """DATA-53."""
    conditions = seen(checked(trial), "Condition")

    assert conditions.categories == (("problem-list-item", 4),)
    assert any(remark.startswith("No encounter-diagnosis in the sample") for remark in conditions.remarks)


def test_a_server_that_searches_no_diagnoses_is_tried_on_the_first_patients(hospital: Hospital, trial: ResolvedTrial) -> None:
    """DATA-11."""
    hospital.statuses["Condition"] = 400

    report = checked(trial, patients=1)

    assert report.sample == 1
    assert report.sampled_by.startswith("the first that the server lists")
    assert any("--candidates Group/ID" in step for step in report.todo)


def test_a_server_that_says_nothing_of_itself_is_tried_with_everything(hospital: Hospital, trial: ResolvedTrial) -> None:
    """DATA-20, WB-02."""
    hospital.listed.clear()

    report = checked(trial)

    assert seen(report, "Consent").state is LoadState.FETCHED
    assert report.todo[0].startswith("Ask why the CapabilityStatement names no types")
    assert {each.goes for each in report.write_back} == {None}


def test_a_diagnosis_search_that_times_out_does_not_end_the_check(hospital: Hospital, trial: ResolvedTrial) -> None:
    hospital.statuses["Condition"] = 504

    report = checked(trial)

    assert report.sample == 2
    assert seen(report, "Condition").state is LoadState.FAILED


def test_a_server_that_lists_nobody_is_told_apart_from_one_that_refuses(hospital: Hospital, trial: ResolvedTrial) -> None:
    hospital.resources.clear()

    report = checked(trial)

    assert report.sample == 0
    assert report.todo[0].startswith("Name test patients")
    assert {(each.state, each.resource_type in hospital.listed) for each in report.types} == {
        (None, True),
        (LoadState.NOT_ASKED, False),
    }
    assert "C7.1" not in {each.id for each in report.criteria}


def test_a_patient_who_was_named_and_is_not_there_is_not_found(hospital: Hospital, trial: ResolvedTrial) -> None:
    with FhirServer(ServerSettings(BASE, retries=0)) as server, pytest.raises(PatientNotFoundError):
        check_server(server, trial, named=["nobody"])


def test_a_patient_who_was_named_is_the_sample(hospital: Hospital, trial: ResolvedTrial) -> None:
    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        report = check_server(server, trial, named=["Patient/p2"])

    assert (report.sample, report.sampled_by) == (1, "those named")


@pytest.mark.parametrize(("status", "error"), [(401, FatalServerError), (403, FatalServerError), (503, TemporaryServerError)])
def test_a_server_that_lets_no_patient_be_read_is_refused(
    hospital: Hospital, trial: ResolvedTrial, status: int, error: type[Exception]
) -> None:
    hospital.statuses["Patient"] = status

    with pytest.raises(error):
        checked(trial)


def test_how_results_would_be_written_follows_the_servers_own_account(hospital: Hospital, trial: ResolvedTrial) -> None:
    """WB-02."""
    report = checked(trial, write_back=WriteBack.WORK_LIST)

    writes = {each.resource_type: each for each in report.write_back}
    assert report.software == "Paper EHR 7"
    assert writes["ResearchSubject"].goes is True
    assert "cannot be guarded by If-Match" in writes["ResearchSubject"].how
    assert "looked for by identifier, then created" in writes["ResearchSubject"].how
    assert writes["Provenance"].goes is False
    assert "This check writes nothing." in report.write_remarks[0]


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (WriteSettings(), ["Results would go by the route 'fhir'. ", "written step by step"]),
        (WriteSettings(WriteBack.CANDIDATES), ["Results go by the route 'fhir'. "]),
        (WriteSettings(WriteBack.CANDIDATES, transactions=True), ["written in one transaction"]),
    ],
)
def test_the_route_of_results_is_told(
    hospital: Hospital, trial: ResolvedTrial, settings: WriteSettings, sentences: list[str]
) -> None:
    """WB-47."""
    hospital.base = [{"code": "transaction"}]

    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        told = "\n".join(check_server(server, trial, write_back=settings).write_remarks)

    assert [sentence for sentence in sentences if sentence not in told] == []


def test_the_reasons_against_each_route_before_the_one_taken_are_told(
    hospital: Hospital, trial: ResolvedTrial, tmp_path: Path
) -> None:
    """WB-47."""
    hospital.interactions = ("search-type", "read")

    with FhirServer(ServerSettings(BASE, retries=0)) as server:
        report = check_server(server, trial, write_back=WriteSettings(WriteBack.WORK_LIST, export_folder=tmp_path))

    assert report.write_remarks[1:4] == (
        "Not by 'fhir': The server does not offer create of ResearchSubject.",
        "Not by 'document-note': The site has set no LOINC code for notes (note_code).",
        "Results go by the route 'file-export'. The site has set a folder for files.",
    )


def test_a_provenance_has_no_identifier_by_which_it_could_be_created_once(hospital: Hospital, trial: ResolvedTrial) -> None:
    hospital.listed["Provenance"] = ("patient",)
    hospital.more = {"conditionalCreate": True}

    (found,) = (each for each in checked(trial).write_back if each.resource_type == "Provenance")

    assert found.how == "who computed it, from what: created with each new result."


def test_a_server_that_creates_conditionally_keeps_versions_and_takes_transactions_is_told_so(
    hospital: Hospital, trial: ResolvedTrial
) -> None:
    """WB-02."""
    hospital.more = {"conditionalCreate": True, "versioning": "versioned-update"}
    hospital.base = [{"code": "transaction"}]

    report = checked(trial)

    subject = next(each for each in report.write_back if each.resource_type == "ResearchSubject")
    assert subject.offers == ("create", "update", "search-type", "conditional-create")
    assert subject.how == "the flag on a patient: looked for by identifier, then created, unless it is there (If-None-Exist)."
    assert "The server takes transactions." in report.write_remarks


@pytest.mark.parametrize(
    ("granted", "sentence"),
    [
        (None, "A token from a file is sent. The server does not say which scopes."),
        ("system/Condition.rs", "A token from a file is sent. Scopes: system/Condition.rs."),
    ],
)
def test_how_we_are_known_to_the_server_is_told_without_the_token(
    hospital: Hospital,
    trial: ResolvedTrial,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    granted: str | None,
    sentence: str,
) -> None:
    """SMART-24."""
    token = tmp_path / "token"
    token.write_text("a-secret-token")
    token.chmod(0o600)
    monkeypatch.setattr(FhirServer, "granted_scopes", read_scopes(granted) if granted else None)

    with FhirServer(ServerSettings(BASE, retries=0, access=Bearer(token))) as server:
        report = check_server(server, trial)

    assert report.access == sentence
    assert "a-secret-token" not in json.dumps(report.as_json())
    assert str(token) not in json.dumps(report.as_json())


def test_a_server_that_takes_no_writes_advises_to_leave_them_off(hospital: Hospital, trial: ResolvedTrial) -> None:
    """WB-02."""
    hospital.interactions = ("search-type", "read")

    (step,) = (each for each in checked(trial).todo if each.startswith("Leave writing back off"))
    assert step.endswith("this server takes no ResearchSubject.")


def test_another_fhir_version_is_the_first_thing_to_mend(hospital: Hospital, trial: ResolvedTrial) -> None:
    hospital.version = "3.0.2"

    assert checked(trial).todo[0] == "Ask for the FHIR R4 address (4.0.1): this one says 3.0.2."


def test_nobody_is_looked_at_when_no_patient_is_wanted(
    hospital: Hospital, trial: ResolvedTrial, http: responses.RequestsMock
) -> None:
    report = checked(trial, patients=0)

    assert report.sample == 0
    assert len(http.calls) == 1


# --- local words ----------------------------------------------------------------------


def test_local_codes_and_units_are_ranked_by_the_patients_who_have_them(hospital: Hospital, trial: ResolvedTrial) -> None:
    """DATA-15, DATA-61."""
    hospital.resources = [each for each in hospital.resources if each["id"] != "p2-m1"]

    local = checked(trial).local

    assert [(code.section, code.code, code.patients) for code in local.codes] == [
        ("conditions", "ZD-1", 2),
        ("laboratory", "XJ-0120", 2),
        ("medications", "YP-9", 1),
    ]
    assert [(unit.analyte, unit.unit, unit.patients, unit.criteria) for unit in local.units] == [
        ("platelets", "bags", 2, ("C7.5",))
    ]


def test_nothing_of_a_patient_is_in_the_report_though_it_stands_in_codes_and_units(
    hospital: Hospital, trial: ResolvedTrial
) -> None:
    for each in hospital.resources:
        if each["resourceType"] == "Observation":
            each["valueQuantity"]["unit"] = f"{PLANTED[1]}/L"
        if each["resourceType"] == "MedicationRequest":
            each["medicationCodeableConcept"]["coding"][0]["code"] = f"Tablet of {PLANTED[0]}"

    report = checked(trial)
    told = "\n".join((*report_lines(report), json.dumps(report.as_json()), overlay_draft(report.local)))

    assert report.local.withheld == 4
    assert [word for word in (*PLANTED, "p1", "p2-", "Patient/p") if word in told] == []


def test_the_overlay_draft_loads_once_it_is_filled_in(hospital: Hospital, trial: ResolvedTrial, tmp_path: Path) -> None:
    draft = overlay_draft(checked(trial).local)
    folder = tmp_path / "sites" / "ours"
    folder.mkdir(parents=True)
    terminology = load_terminology()

    (folder / "overlay.yaml").write_text(draft)
    with pytest.raises(DefinitionError, match="TO-FILL-IN"):
        load_site("ours", tmp_path, terminology)

    for key, answer in (("analyte: ", "platelets"), ("value_set: ", "sle"), ("ingredients: [", "prednisone")):
        draft = draft.replace(f"{key}TO-FILL-IN", f"{key}{answer}")
    (folder / "overlay.yaml").write_text(draft.replace('"bags": TO-FILL-IN', '"bags": 10*9/L'))
    site = load_site("ours", tmp_path, terminology)
    assert site.overlay is not None
    assert [(code.code, code.analyte) for code in site.overlay.lab_codes] == [("XJ-0120", "platelets")]
    assert site.overlay.unit_aliases == {"platelets": {"bags": "10*9/L"}}


def test_a_code_with_quotes_and_a_colon_is_still_yaml() -> None:
    odd = LocalWords((UnknownCode("laboratory", LOCAL, 'a"b: #c', 1),))

    assert YAML(typ="safe").load(overlay_draft(odd))["laboratory"][0]["code"] == 'a"b: #c'


def test_the_text_says_each_thing_once_and_in_few_words(hospital: Hospital, trial: ResolvedTrial) -> None:
    """DATA-20: what an engineer reads."""
    hospital.statuses["Observation"] = 404
    hospital.resources += [{"resourceType": "ResearchSubject", "id": "s1", "subject": {"reference": "Patient/p1"}}]

    lines = list(report_lines(checked(trial, patients=1)))

    assert "Sample      1 patient: by a diagnosis of the trial's disease" in lines
    assert "      Observation?patient=...&category=laboratory: refused: the server answered 404; it does not know it." in lines
    (c6,) = (line for line in lines if line.startswith("  C6 "))
    assert "without MedicationAdministration, MedicationDispense, MedicationStatement (not-asked); has MedicationRequest" in c6
    assert lines[-1].endswith("Screen, once the rest is as it should be: fhir-trial screen --server NAME --candidates condition")
    assert any("a site overlay (2 codes): --overlay" in line for line in lines)


def test_data_of_others_in_the_answer_for_one_patient_is_the_first_thing_to_tell_the_operator(
    hospital: Hospital, trial: ResolvedTrial
) -> None:
    """DATA-47."""
    stranger = {"resourceType": "Procedure", "id": "x", "subject": {"reference": "Patient/p9"}}
    hospital.listed["Procedure"] = ("patient",)
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": stranger}]}
    hospital.answers["Procedure"] = bundle

    report = checked(trial)

    assert report.todo[0].startswith("Tell the operator: a search for one patient brought data filed under another")
    assert "Procedure" in report.todo[0]


def test_the_kill_switch_holds_for_the_search_for_a_sample_too(hospital: Hospital, trial: ResolvedTrial) -> None:
    """SEC-60."""
    asked: list[int] = []

    def halted() -> bool:
        asked.append(1)
        return len(asked) > 2

    with FhirServer(ServerSettings(BASE, retries=0), halted=halted) as server, pytest.raises(FatalServerError, match="kill"):
        check_server(server, trial)


def test_the_text_ends_with_what_to_do_next(hospital: Hospital, trial: ResolvedTrial) -> None:
    lines = list(report_lines(checked(trial)))

    assert lines[0] == f"Server      {BASE}"
    assert lines[lines.index("Next") + 1].startswith("  1. ")
    assert any(line.startswith("  condition   misses") for line in lines)
