"""Patients from files: VER-01, VER-05 to VER-08, DATA-16, DATA-23, BULK-15, BULK-34 to BULK-40."""

import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.records.model import LoadState
from fhir_trial.screening.ports import RawPatient
from fhir_trial.sources import FileSource

ALL = Needs()
UUID = "urn:uuid:11111111-1111-4111-8111-111111111111"


def patient(identity: str | None = "p1", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **({"id": identity} if identity else {}), **more}


def condition(identity: str | None, subject: Any, **more: Any) -> dict[str, Any]:
    subject = {"reference": subject} if isinstance(subject, str) else subject
    return {"resourceType": "Condition", **({"id": identity} if identity else {}), "subject": subject, **more}


def bundle(*entries: Any, kind: str = "collection") -> dict[str, Any]:
    """Entries are resources, or (fullUrl, resource)."""
    pairs = [entry if isinstance(entry, tuple) else (None, entry) for entry in entries]
    made = [{"resource": resource, **({"fullUrl": url} if url else {})} for url, resource in pairs]
    return {"resourceType": "Bundle", "type": kind, "entry": made}


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def lines(path: Path, *values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(value if isinstance(value, bytes) else json.dumps(value).encode() for value in values) + b"\n")
    return path


def read(*sources: Path, needs: Needs = ALL) -> tuple[dict[str, RawPatient], FileSource]:
    source = FileSource(sources)
    return {found.reference: found for found in source.patients(needs)}, source


def ids(found: RawPatient) -> list[str]:
    return sorted(f"{each['resourceType']}/{each['id']}" for each in found.resources)


# --- forms -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["one.json", "one.json.gz", "one.ndjson", "one.ndjson.gz", "folder", "-"])
def test_each_form_of_source_gives_the_same_patient(tmp_path: Path, name: str) -> None:
    """VER-01."""
    resources = [patient(), condition("c1", "Patient/p1")]
    as_lines = b"\n".join(json.dumps(each).encode() for each in resources)
    content = as_lines if "ndjson" in name else json.dumps(bundle(*resources)).encode()
    if name == "-":
        source = FileSource(["-"], standard_input=io.BytesIO(content))
    elif name == "folder":
        lines(tmp_path / "in" / "Condition.000.ndjson", resources[1])
        lines(tmp_path / "in" / "Patient.000.ndjson", resources[0])
        (tmp_path / "in" / "README.md").write_text("not data")
        (tmp_path / "in" / ".hidden.json").write_text("{")
        source = FileSource([tmp_path / "in"])
    else:
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        source = FileSource([str(tmp_path / name)])

    (found,) = source.patients(ALL)

    assert found.reference == "Patient/p1"
    assert ids(found) == ["Condition/c1"]
    assert not source.report.some_unreadable


@pytest.mark.parametrize("form", ["bundle", "bundle on one line", "ndjson", "gzip"])
def test_standard_input_may_be_a_bundle_or_ndjson(form: str) -> None:
    resources = [patient(), condition("c1", "Patient/p1")]
    content = {
        "bundle": json.dumps(bundle(*resources), indent=2).encode(),
        "bundle on one line": json.dumps(bundle(*resources)).encode() + b"\n",
        "ndjson": b"\n".join(json.dumps(each).encode() for each in resources),
        "gzip": gzip.compress(json.dumps(bundle(*resources)).encode()),
    }[form]

    (found,) = FileSource(["-"], standard_input=io.BytesIO(content)).patients(ALL)

    assert ids(found) == ["Condition/c1"]


def test_sources_may_be_mixed_and_come_out_in_the_order_of_references(tmp_path: Path) -> None:
    """VER-08."""
    one = write(tmp_path / "b.json", bundle(patient("p2")))
    two = lines(tmp_path / "a.ndjson", patient("p10"), patient("p1"))

    source = FileSource([one, two])

    assert [found.reference for found in source.patients(ALL)] == ["Patient/p1", "Patient/p10", "Patient/p2"]


def test_lines_end_at_newline_alone_and_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    odd = "before\u2028\u2029\u0085\u200bafter"
    resources = [patient(), condition("c1", "Patient/p1", note=[{"text": odd}])]
    content = "\ufeff" + "\r\n\r\n".join(json.dumps(each, ensure_ascii=False) for each in resources)
    (tmp_path / "x.ndjson").write_bytes(content.encode())

    found, source = read(tmp_path / "x.ndjson")

    assert found["Patient/p1"].resources[0]["note"] == [{"text": odd}]
    assert not source.report.some_unreadable


def test_numbers_arrive_as_decimals(tmp_path: Path) -> None:
    """DATA-28."""
    (tmp_path / "x.ndjson").write_text(
        '{"resourceType":"Patient","id":"p1"}\n'
        '{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p1"},"valueQuantity":{"value":8.10}}\n'
    )

    found, _ = read(tmp_path / "x.ndjson")

    value = found["Patient/p1"].resources[0]["valueQuantity"]["value"]
    assert (type(value), str(value)) == (Decimal, "8.10")


def test_only_what_is_needed_is_kept_and_a_patient_alone_is_a_patient(tmp_path: Path) -> None:
    """VER-06."""
    file = write(tmp_path / "x.json", bundle(patient(), patient("p2"), condition("c1", "Patient/p1")))

    found, _ = read(file, needs=Needs.of(Need("Observation")))

    assert {name: each.resources for name, each in found.items()} == {"Patient/p1": (), "Patient/p2": ()}


# --- what cannot be read ---------------------------------------------------------------


def test_a_bad_line_is_one_clear_trouble_and_the_rest_is_read(tmp_path: Path) -> None:
    file = lines(tmp_path / "mixed.ndjson", patient(), b'{"resourceType": "Cond', [1], {"id": "x"}, condition("c1", "Patient/p1"))

    found, source = read(file)

    assert ids(found["Patient/p1"]) == ["Condition/c1"]
    assert [(each.code, each.place) for each in source.report.troubles] == [
        ("line-unreadable", f"{file}:2"),
        ("not-a-resource", f"{file}:3"),
        ("not-a-resource", f"{file}:4"),
    ]
    assert source.report.some_unreadable


@pytest.mark.parametrize(
    "content", [b"", b"  \n", b"{", b"not json\nat all", b"\x1f\x8b broken gzip", b"\xff\xfe\x00", b'"text"', b"17"]
)
def test_a_bad_file_is_one_clear_trouble_and_the_others_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    write(tmp_path / "b.json", bundle(patient()))

    found, source = read(tmp_path)

    assert list(found) == ["Patient/p1"]
    (trouble,) = source.report.troubles
    assert trouble.place.startswith(str(tmp_path / "a.json"))
    assert source.report.some_unreadable


def test_a_source_that_is_not_there_is_told(tmp_path: Path) -> None:
    found, source = read(tmp_path / "nowhere")

    assert found == {}
    assert source.report.counts["file-unreadable"] == 1


def test_a_file_cut_off_gives_its_whole_lines_and_its_type_counts_as_failed(tmp_path: Path) -> None:
    """VER-05: a type named by the source could not be read."""
    lines(tmp_path / "Patient.ndjson", patient())
    whole = gzip.compress(
        b"".join(
            json.dumps(condition(f"c{n}", "Patient/p1", note=[{"text": str(n * 7919)}])).encode() + b"\n" for n in range(5000)
        )
    )
    (tmp_path / "Condition.ndjson.gz").write_bytes(whole[: len(whole) // 2])

    found, source = read(tmp_path)

    assert 0 < len(found["Patient/p1"].resources) < 5000
    assert found["Patient/p1"].states == {"Condition": LoadState.FAILED}
    assert source.report.some_unreadable


def test_a_broken_line_is_a_gap_of_the_patient_whom_it_names(tmp_path: Path) -> None:
    lines(tmp_path / "Patient.ndjson", patient("p1"), patient("p2"))
    lines(tmp_path / "Condition.ndjson", b'{"resourceType":"Condition","subject":{"reference":"Patient/p1"},"code":{')

    found, source = read(tmp_path)

    assert found["Patient/p1"].states == {"Condition": LoadState.PARTIAL}
    assert found["Patient/p2"].states == {}
    assert source.report.lost_types == set()


def test_a_broken_line_that_names_nobody_ends_the_claim_of_completeness(tmp_path: Path) -> None:
    lines(tmp_path / "Patient.ndjson", patient())
    lines(tmp_path / "MedicationRequest.ndjson", b"{")

    found, source = read(tmp_path)

    assert found["Patient/p1"].states == {}
    assert source.report.lost_types == {"MedicationRequest"}


# --- gaps that the source admits (VER-05) --------------------------------------------------


def outcome(code: str, text: str, severity: str = "error") -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, "diagnostics": text}]}


@pytest.mark.parametrize(
    ("remark", "states", "default"),
    [
        (outcome("processing", "Export of Observation failed"), {"Observation": LoadState.FAILED}, LoadState.NO_CLAIM),
        (
            outcome("forbidden", "Condition and Observation"),
            dict.fromkeys(("Condition", "Observation"), LoadState.NOT_AUTHORISED),
            LoadState.NO_CLAIM,
        ),
        (outcome("suppressed", "DocumentReference", "warning"), {"DocumentReference": LoadState.RESTRICTED}, LoadState.NO_CLAIM),
        (outcome("processing", "Something failed"), {}, LoadState.PARTIAL),
        (outcome("processing", "Observation for Patient/p2 failed"), {}, LoadState.NO_CLAIM),
        (outcome("processing", "Observation for Patient/p1 failed"), {"Observation": LoadState.FAILED}, LoadState.NO_CLAIM),
        (outcome("informational", "Observation exported", "information"), {}, LoadState.NO_CLAIM),
    ],
)
def test_an_error_file_says_what_is_not_loaded(
    tmp_path: Path, remark: dict[str, Any], states: dict[str, LoadState], default: LoadState
) -> None:
    """VER-05, BULK-40."""
    lines(tmp_path / "Patient.ndjson", patient("p1"), patient("p2"))
    lines(tmp_path / "error" / "OperationOutcome.1.ndjson", remark)

    found, _ = read(tmp_path)

    assert (found["Patient/p1"].states, found["Patient/p1"].default_state) == (states, default)


def test_an_outcome_in_a_bundle_concerns_the_patients_of_that_bundle(tmp_path: Path) -> None:
    write(tmp_path / "a.json", bundle(patient("p1"), outcome("processing", "Condition search failed")))
    write(tmp_path / "b.json", bundle(patient("p2")))

    found, _ = read(tmp_path)

    assert [each.states for each in found.values()] == [{"Condition": LoadState.FAILED}, {}]


@pytest.mark.parametrize(("count", "state"), [(1, None), (2, LoadState.PARTIAL)])
def test_a_manifest_that_promises_more_than_came_is_a_gap(tmp_path: Path, count: int, state: LoadState | None) -> None:
    lines(tmp_path / "1.ndjson", patient(), condition("c1", "Patient/p1"))
    output = [
        {"type": "Condition", "url": "https://x.invalid/1", "count": count},
        {"type": "Observation", "url": "https://x.invalid/2"},
    ]
    write(
        tmp_path / "manifest.json",
        {"transactionTime": "2026-03-01T00:00:00Z", "output": output, "error": [{"url": "https://x.invalid/e"}]},
    )

    found, source = read(tmp_path)

    states = found["Patient/p1"].states
    assert states.get("Condition") == state
    assert states["Observation"] is LoadState.FAILED
    told = [trouble.text for trouble in source.report.troubles if trouble.code == "export-incomplete"]
    assert ["Observation" in text for text in told].count(True) == 1
    assert ["Condition" in text for text in told].count(True) == (1 if state else 0)
    assert not source.report.some_unreadable


def test_a_log_of_the_export_is_no_data_but_its_failures_count(tmp_path: Path) -> None:
    event = {"exportId": "e", "timestamp": "2026-03-01T00:00:00Z", "eventDetail": {}}
    lines(tmp_path / "Patient.ndjson", patient())
    lines(tmp_path / "log.ndjson", {**event, "eventId": "kickoff"}, {**event, "eventId": "download_error"})

    found, source = read(tmp_path)

    assert found["Patient/p1"].default_state is LoadState.PARTIAL
    assert not source.report.some_unreadable


def test_a_deleted_file_removes_what_it_names(tmp_path: Path) -> None:
    """BULK-38."""
    lines(tmp_path / "Patient.ndjson", patient())
    lines(tmp_path / "Condition.ndjson", condition("c1", "Patient/p1"), condition("c2", "Patient/p1"))
    entry = {"request": {"method": "DELETE", "url": "Condition/c1"}}
    lines(tmp_path / "deleted" / "1.ndjson", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})

    found, _ = read(tmp_path)

    assert ids(found["Patient/p1"]) == ["Condition/c2"]


# --- whose it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("full_url", "identity", "subject"),
    [
        (None, "p1", "Patient/p1"),
        (None, "p1", "Patient/p1/_history/4"),
        (UUID, "p1", UUID),
        (UUID, None, UUID),
        (UUID, "11111111-1111-4111-8111-111111111111", "Patient/11111111-1111-4111-8111-111111111111"),
        ("https://ehr.invalid/fhir/Patient/p1", "p1", "https://ehr.invalid/fhir/Patient/p1"),
        ("https://ehr.invalid/fhir/Patient/p1", "p1", "https://ehr.invalid/fhir/Patient/p1/_history/2"),
        ("https://ehr.invalid/fhir/Patient/p1", "p1", "Patient/p1"),
        ("https://ehr.invalid/fhir/Patient/p1", None, "Patient/p1"),
        ("urn:uuid:x", "p1", "https://ehr.invalid/fhir/Patient/p1"),
        (None, "p1", "https://ehr.invalid/fhir/Patient/p1"),
    ],
)
def test_references_resolve_however_they_are_written(
    tmp_path: Path, full_url: str | None, identity: str | None, subject: str
) -> None:
    """VER-07, DATA-23."""
    file = write(tmp_path / "x.json", bundle((full_url, patient(identity)), condition("c1", subject)))

    found, source = read(file)

    (one,) = found.values()
    assert ids(one) == ["Condition/c1"]
    assert one.reference == (f"Patient/{identity}" if identity else full_url)
    assert not source.report.counts


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("Patient/p2", "absent-patient"),
        ("urn:uuid:22222222-2222-4222-8222-222222222222", "absent-patient"),
        ("https://other.invalid/fhir/Patient/p1", "absent-patient"),
        ("#p1", "absent-patient"),
        ("Group/g1", "subject-not-a-patient"),
        ({"identifier": {"value": "4711"}}, "no-subject"),
        ({"display": "Jane Roe"}, "no-subject"),
        (None, "no-subject"),
        ("", "no-subject"),
        (17, "no-subject"),
    ],
)
def test_what_belongs_to_nobody_is_dropped_and_counted(tmp_path: Path, subject: Any, reason: str) -> None:
    """VER-06, DATA-47, R33: another server's Patient/p1 is another person."""
    file = write(tmp_path / "x.json", bundle(("https://ehr.invalid/fhir/Patient/p1", patient()), condition("c1", subject)))

    found, source = read(file)

    assert found["Patient/p1"].resources == ()
    assert source.report.counts == {reason: 1}
    assert not source.report.some_unreadable


def test_a_urn_is_looked_up_in_its_own_bundle_first(tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        write(
            tmp_path / f"{name}.json",
            bundle(("urn:uuid:patient", patient(name)), ("urn:uuid:c", condition(None, "urn:uuid:patient", note=name))),
        )

    found, _ = read(tmp_path)

    assert [(name, each.resources[0]["note"]) for name, each in found.items()] == [("Patient/p1", "p1"), ("Patient/p2", "p2")]


def test_the_same_ids_in_bundles_of_two_patients_do_not_mix(tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        write(tmp_path / f"{name}.json", bundle(patient(name), condition("c1", f"Patient/{name}", note=name)))

    found, _ = read(tmp_path)

    assert [each.resources[0]["note"] for each in found.values()] == ["p1", "p2"]


def test_the_same_id_in_two_bundles_is_one_patient(tmp_path: Path) -> None:
    """VER-07: both copies are handed on, the newest last, so that a disagreement can be seen."""
    write(tmp_path / "a.json", bundle(patient(birthDate="2015-01-01", meta={"versionId": "10"}), condition("c1", "Patient/p1")))
    write(tmp_path / "b.json", bundle(patient(birthDate="2014-01-01", meta={"versionId": "9"}), condition("c2", "Patient/p1")))
    write(tmp_path / "c.json", bundle(patient(birthDate="2014-01-01", meta={"versionId": "9"})))

    found, _ = read(tmp_path)

    assert [copy["birthDate"] for copy in found["Patient/p1"].patients] == ["2014-01-01", "2015-01-01"]
    assert ids(found["Patient/p1"]) == ["Condition/c1", "Condition/c2"]


@pytest.mark.parametrize(
    ("first", "second", "kept", "issues"),
    [
        ({"versionId": "2"}, {"versionId": "10"}, "second", 0),
        ({"versionId": "10"}, {"versionId": "2"}, "first", 0),
        ({"lastUpdated": "2026-01-02T00:00:00Z"}, {"lastUpdated": "2026-01-01T23:00:00-02:00"}, "second", 0),
        ({"lastUpdated": "2026-01-02T00:00:00Z"}, {"lastUpdated": "2026-01-01T23:00:00Z"}, "first", 0),
        ({"versionId": "1"}, {"versionId": "9", "tag": [{"code": "SUBSETTED"}]}, "first", 0),
        ({"versionId": "9", "tag": [{"code": "SUBSETTED"}]}, {"versionId": "1"}, "second", 0),
        ({}, {}, "second", 1),
    ],
)
def test_of_two_copies_the_higher_version_wins(tmp_path: Path, first: Any, second: Any, kept: str, issues: int) -> None:
    """DATA-16, BULK-15, BULK-39."""
    copies = [condition("c1", "Patient/p1", meta=meta, note=name) for meta, name in ((first, "first"), (second, "second"))]
    file = lines(tmp_path / "x.ndjson", patient(), *copies)

    found, _ = read(file)

    (only,) = found["Patient/p1"].resources
    assert only["note"] == kept
    assert len(found["Patient/p1"].issues) == issues


def test_resources_without_an_id_are_all_kept_and_named_by_their_full_url(tmp_path: Path) -> None:
    file = write(tmp_path / "x.json", bundle((UUID, patient(None)), ("urn:uuid:c", condition(None, UUID)), condition(None, UUID)))

    (found,) = read(file)[0].values()

    assert len(found.resources) == 2
    assert found.reference == UUID
    assert found.names[id(found.resources[0])] == "urn:uuid:c"
    assert found.by_reference["urn:uuid:c"] is found.resources[0]


def test_a_patient_with_neither_id_nor_full_url_is_answered_under_the_same_name_in_every_run(tmp_path: Path) -> None:
    file = lines(tmp_path / "x.ndjson", patient(None, gender="female"))

    assert list(read(file)[0]) == list(read(file)[0])
    assert len(read(file)[0]) == 1


def test_what_is_referred_to_comes_along_even_over_two_hops(tmp_path: Path) -> None:
    """DATA-32: Medication by reference, in the same Bundle or in another file."""
    order = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": "urn:uuid:m"},
    }
    drug = {"resourceType": "Medication", "id": "d1", "ingredient": [{"itemReference": {"reference": "Substance/s1"}}]}
    write(tmp_path / "x.json", bundle(patient(), order, ("urn:uuid:m", drug)))
    lines(tmp_path / "Substance.ndjson", {"resourceType": "Substance", "id": "s1"}, {"resourceType": "Substance", "id": "s2"})

    found, _ = read(tmp_path, needs=Needs.of(Need("MedicationRequest")))

    one = found["Patient/p1"]
    assert ids(one) == ["Medication/d1", "MedicationRequest/m1", "Substance/s1"]
    assert one.by_reference["urn:uuid:m"] is one.by_reference["Medication/d1"]


def test_a_transaction_of_searchsets_is_read_to_its_depth(tmp_path: Path) -> None:
    inner = bundle(condition("c1", "Patient/p1"), kind="searchset")
    file = write(tmp_path / "x.json", bundle(patient(), inner, kind="batch-response"))

    assert ids(read(file)[0]["Patient/p1"]) == ["Condition/c1"]


@pytest.mark.parametrize("oddity", [{"entry": {}}, {"entry": [1, {"resource": 2}, {}, {"resource": {"id": "x"}}]}, {}])
def test_odd_bundles_break_nothing(tmp_path: Path, oddity: dict[str, Any]) -> None:
    write(tmp_path / "a.json", {"resourceType": "Bundle", **oddity})
    write(tmp_path / "b.json", bundle(patient()))

    assert list(read(tmp_path)[0]) == ["Patient/p1"]


def test_nothing_of_a_patient_stands_in_a_trouble(tmp_path: Path) -> None:
    """SEC-27."""
    file = lines(tmp_path / "x.ndjson", b'{"resourceType":"Patient","name":"Roe"', {"name": "Roe"}, patient())
    write(tmp_path / "y.json", bundle(patient(), condition("c1", {"display": "Roe"})))

    _, source = read(file, tmp_path / "y.json")

    assert "Roe" not in " ".join(str(each) for each in source.report.troubles)
