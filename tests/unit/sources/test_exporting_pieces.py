"""The small parts of an export: what is asked for, what manifests say, what lines are, how files are unpacked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial import load_trial
from fhir_trial.errors import FatalServerError, UsageError
from fhir_trial.sources.exporting.asking import Asked, Level, asked_for
from fhir_trial.sources.exporting.clocks import wait
from fhir_trial.sources.exporting.job import ExportedFile, FileState, Job, JobState, Section
from fhir_trial.sources.exporting.lines import Lines
from fhir_trial.sources.exporting.manifest import joined, links_for, read_manifest
from fhir_trial.sources.exporting.published import kept_manifest, remarks_of
from fhir_trial.sources.exporting.unpacking import BrokenPackingError, TooLargeError, unpacked
from fhir_trial.sources.search_plan import trial_plan

Json = dict[str, Any]
BASE = "https://ehr.example.invalid/fhir"
URL = f"{BASE}/status/1"


# --- what is asked for ------------------------------------------------------------


def test_types_of_no_patient_are_asked_for_at_the_level_of_the_system_alone() -> None:
    """BULK-20: elsewhere servers leave Medication out or refuse it; it is read by what refers to it."""
    plan = trial_plan(load_trial("nct06789107"))

    of_patients = asked_for([plan], BASE, Level.PATIENTS)
    of_all = asked_for([plan], BASE, Level.SYSTEM)

    assert set(of_all.types) - set(of_patients.types) == {"Medication", "ResearchStudy"}
    assert set(of_all.types) == set(plan.read_types)


def test_several_trials_are_asked_for_at_once() -> None:
    plans = [trial_plan(load_trial(name)) for name in ("nct06789107", "nct05471050")]

    asked = asked_for(plans, BASE, Level.SYSTEM)

    assert set(asked.types) == {kind for plan in plans for kind in plan.read_types}


def test_a_filter_is_one_for_its_type_and_its_commas_are_encoded() -> None:
    """BULK-10, BULK-11: of two filters for a type, one server gives what answers both."""
    asked = asked_for([trial_plan(load_trial("nct06789107"))], BASE, Level.PATIENTS, filtered=True)

    (only,) = asked.filters
    assert only.startswith("Observation?code=http://loinc.org|")
    assert "," not in only
    assert "%2C" in only
    assert asked.filtered_types == ("Observation",)


def test_types_are_joined_or_repeated() -> None:
    """BULK-09."""
    asked = Asked(BASE, Level.PATIENTS, None, ("Condition", "Patient"))

    assert asked.parameters(None, joined=True) == [("_type", "Condition,Patient")]
    assert asked.parameters("2026-01-01T00:00:00Z", joined=False) == [
        ("_type", "Condition"),
        ("_type", "Patient"),
        ("_since", "2026-01-01T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("level", "group", "path"),
    [(Level.GROUP, "g-1.2", "Group/g-1.2/$export"), (Level.PATIENTS, None, "Patient/$export"), (Level.SYSTEM, None, "$export")],
)
def test_each_level_has_its_path(level: Level, group: str | None, path: str) -> None:
    """BULK-06."""
    assert Asked(BASE, level, group, ()).path == path


@pytest.mark.parametrize(
    ("level", "group"), [(Level.GROUP, None), (Level.SYSTEM, "g"), (Level.GROUP, "../Patient"), (Level.GROUP, "")]
)
def test_a_group_is_named_where_one_is_exported_and_by_an_id(level: Level, group: str | None) -> None:
    with pytest.raises(UsageError):
        Asked(BASE, level, group, ())


# --- waiting ----------------------------------------------------------------------


@given(st.floats(0, 1e9), st.integers(0, 10_000))
def test_no_wait_is_shorter_than_a_second_or_longer_than_allowed(asked: float, number: int) -> None:
    """BULK-22."""
    assert 1.0 <= wait(asked, number, 300.0) <= 300.0


# --- manifests --------------------------------------------------------------------


def entry(name: str, kind: str = "Condition", **more: Any) -> Json:
    return {"type": kind, "url": f"https://files.example.invalid/{name}", **more}


def read(*output: Json, **members: Any) -> Any:
    return joined([read_manifest({"transactionTime": "2026-01-01T00:00:00Z", "output": list(output), **members}, URL)])


@pytest.mark.parametrize(("said", "needs"), [(True, True), (False, False), (None, True), ("false", True)])
def test_only_a_plain_no_means_that_no_token_is_wanted(said: Any, needs: bool) -> None:
    """BULK-30."""
    assert read(entry("1"), requiresAccessToken=said).needs_token is needs


@pytest.mark.parametrize("name", ["error", "outcome"])
def test_errors_have_a_name_in_each_dialect(name: str) -> None:
    """BULK-08, BULK-29."""
    (file,) = read(**{name: [entry("1", "OperationOutcome")]}).files

    assert (file.section, file.name) == (Section.ERROR, "error.0001.ndjson")


@pytest.mark.parametrize(
    "members", [{"output": None}, {"output": [1, None]}, {"output": {}, "extension": {"x": 1}}, {"deleted": "x"}]
)
def test_members_of_another_shape_are_nothing(members: Json) -> None:
    """BULK-29."""
    assert joined([read_manifest(members, URL)]).files == []


@pytest.mark.parametrize("kind", ["../../etc/passwd", "", 7, None, "Condition/x", "condition"])
def test_a_type_that_is_none_never_becomes_the_name_of_a_file(kind: Any) -> None:
    (file,) = read({"type": kind, "url": "x"}).files

    assert file.name == "Resource.0001.ndjson"


def test_a_file_without_a_link_is_no_manifest() -> None:
    with pytest.raises(FatalServerError, match="no url"):
        read({"type": "Condition"})


@pytest.mark.parametrize(
    "signature", ["X-Amz-Signature=%s&X-Amz-Expires=3", "sv=1&sr=b&sig=%s&se=x", "Expires=1&Signature=%s", "X-Goog-Signature=%s"]
)
def test_a_link_that_is_signed_anew_is_of_the_same_file(signature: str) -> None:
    """BULK-32."""
    old = read(entry(f"1?{signature % 'old'}"), entry(f"2?{signature % 'old'}"))
    new = read(entry(f"2?{signature % 'new'}"), entry(f"1?{signature % 'new'}"))

    links = links_for(old.files, new)

    assert links is not None
    assert [links[file.key] for file in old.files] == [new.links[file.key] for file in reversed(new.files)]


def test_files_are_told_apart_by_a_query_that_is_no_signature() -> None:
    first, second = read(entry("get?name=1"), entry("get?name=2")).files

    assert first.key != second.key


def test_files_under_new_names_are_known_by_their_places_if_all_else_is_the_same() -> None:
    old, new = read(entry("a", count=1), entry("b", count=2)), read(entry("c", count=1), entry("d", count=2))
    other = read(entry("c", count=1), entry("d", count=3))

    assert list((links_for(old.files, new) or {}).values()) == list(new.links.values())
    assert links_for(old.files, other) is None


def test_the_kept_manifest_promises_what_came_or_was_to_come_and_names_no_link() -> None:
    """BULK-32, BULK-50: a file that is missing makes its type partial, whether it had a number or not."""
    manifest = read(entry("a?sig=secret"), entry("b", count=5), entry("c", "Observation"))
    job = Job("x", Asked(BASE, Level.PATIENTS, None, ()), files=manifest.files)
    job.files[0].state, job.files[0].resources = FileState.WHOLE, 3

    kept = kept_manifest(job)

    assert [(each["type"], each.get("count")) for each in kept["output"]] == [
        ("Condition", 3),
        ("Condition", 5),
        ("Observation", None),
    ]
    assert "example.invalid" not in json.dumps(kept)
    assert remarks_of(job).count(b"OperationOutcome") == 2


def file_of(**more: Any) -> ExportedFile:
    return ExportedFile(Section.OUTPUT, "Condition", "Condition.0001.ndjson", "k", **({"state": FileState.WHOLE} | more))


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": FileState.WAITING},
        {"state": FileState.FAILED},
        {"unreadable": 1},
        {"unexpected": 1},
        {"trouble": "x"},
        {"issues": {"error exception": 1}},
        {"issues": {"fatal exception": 1}},
    ],
)
def test_complete_means_complete(wrong: Json) -> None:
    """BULK-34, BULK-35, BULK-40, BULK-50."""
    asked = Asked(BASE, Level.PATIENTS, None, ())

    assert Job("x", asked, files=[file_of()]).outcome() is JobState.COMPLETE
    assert Job("x", asked, files=[file_of(issues={"warning code": 2})]).outcome() is JobState.COMPLETE
    assert Job("x", asked, files=[file_of(), file_of(**wrong)]).outcome() is JobState.WITH_ERRORS
    assert Job("x", asked, files=[file_of()], lost=["Medication"]).outcome() is JobState.WITH_ERRORS


# --- lines ------------------------------------------------------------------------

GOOD = b'{"resourceType":"Condition","id":"a","meta":{"lastUpdated":"2026-01-01T00:00:00Z"}}'


@given(st.lists(st.sampled_from([GOOD, b"", b"  ", b'{"resourceType":"Patient"}', b"{", b"[]", b"\xff"])), st.data())
def test_lines_are_counted_wherever_the_pieces_end(made: list[bytes], data: st.DataObject) -> None:
    """BULK-34."""
    content = b"\r\n".join(made)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)))))
    counted = Lines(Section.OUTPUT, "Condition")

    for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True):
        counted.take(content[start:stop])
    counted.finish()

    patients = made.count(b'{"resourceType":"Patient"}')
    assert counted.resources == made.count(GOOD) + patients
    assert counted.unexpected == patients
    assert counted.unreadable == sum(made.count(bad) for bad in (b"{", b"[]", b"\xff"))
    assert counted.dated == (GOOD in made)


@pytest.mark.parametrize(
    "line", [b'{"resourceType":"Condition","meta":[]}', b'{"resourceType":"Condition","meta":{"lastUpdated":1}}']
)
def test_a_resource_of_an_odd_shape_is_a_resource(line: bytes) -> None:
    counted = Lines(Section.OUTPUT, "Condition")

    counted.take(line)
    counted.finish()

    assert (counted.resources, counted.unreadable) == (1, 0)


# --- unpacking --------------------------------------------------------------------


def bytes_of(path: Path, content: bytes, largest: int = 10_000_000) -> bytes:
    path.write_bytes(content)
    return b"".join(unpacked(path, largest))


@given(content=st.binary(max_size=300), parts=st.integers(1, 3), layers=st.integers(0, 2))
def test_what_was_packed_comes_out(tmp_path_factory: pytest.TempPathFactory, content: bytes, parts: int, layers: int) -> None:
    """BULK-33: in several members, in two layers; what is not packed stays as it is."""
    content = b"{" + content
    step = len(content) // parts + 1
    packed = content
    if layers:
        packed = b"".join(gzip.compress(content[start : start + step]) for start in range(0, len(content), step))
    if layers == 2:
        packed = gzip.compress(packed)

    assert bytes_of(tmp_path_factory.mktemp("x") / "file", packed) == content


def test_padding_after_the_end_is_fine_and_anything_else_is_not(tmp_path: Path) -> None:
    packed = gzip.compress(b"{}\n")

    assert bytes_of(tmp_path / "a", packed + b"\0" * 512) == b"{}\n"
    with pytest.raises(BrokenPackingError):
        bytes_of(tmp_path / "b", packed + b"<html>")


@given(st.data())
def test_a_packed_file_that_is_cut_anywhere_is_never_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """BULK-33, BULK-60."""
    packed = gzip.compress(b'{"resourceType":"Condition"}\n' * 40)
    cut = data.draw(st.integers(2, len(packed) - 1))

    with pytest.raises(BrokenPackingError):
        bytes_of(tmp_path_factory.mktemp("x") / "file", packed[:cut])


def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    """BULK-33."""
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(gzip.compress(b"0" * 50_000_000)))
    came: list[int] = []

    with pytest.raises(TooLargeError):
        came.extend(map(len, unpacked(path, 3_000_000)))
    assert sum(came) <= 3_000_000
