"""Broken exports end as reading all files at once would have ended, or in a clear error (BULK-34 to BULK-40)."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from benchmarks.comparing import at_once
from fhir_trial.errors import SourceError
from fhir_trial.population import blocks, folder
from fhir_trial.population.asking import Progress
from fhir_trial.population.screening import screened
from tests.unit.population.hospitals import (
    agreed,
    by_patient,
    deletions,
    lines,
    lupus,
    outcome,
    patient,
    platelets,
    question,
    trials,
    whys,
    write,
)

PEOPLE = lines(patient("p1"), patient("p2"), patient("p3"))
SICK = lines(lupus("c1", "Patient/p1"), lupus("c2", "Patient/p2"))
SEEN = lines(*(platelets(f"o{nth}", f"Patient/p{nth % 3 + 1}", str(100 + nth)) for nth in range(30)))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line crosses the borders of blocks and of parts."""
    monkeypatch.setattr(blocks.blocks, "__defaults__", (97,))
    monkeypatch.setattr(folder.parts, "__defaults__", (211,))


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["Patient", "Condition", "Observation"])
def test_a_packed_file_that_breaks_off_is_a_gap_of_its_type(tmp_path: Path, name: str, cut: float) -> None:
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK, Observation=SEEN * 40)
    packed = gzip.compress((export / f"{name}.ndjson").read_bytes())
    (export / f"{name}.ndjson").unlink()
    (export / f"{name}.ndjson.gz").write_bytes(packed[: int(len(packed) * cut)])

    population, rows = agreed(export)

    assert population.report.counts["file-unreadable"] == 1
    assert all("not-loaded" in whys(row) for row in rows if name != "Patient")


def test_what_is_packed_is_seen_in_its_bytes_and_not_in_its_name(tmp_path: Path) -> None:
    export = write(tmp_path, Patient=gzip.compress(PEOPLE), Observation=b"")
    (export / "Condition.ndjson.gz").write_bytes(SICK)
    (export / "More.jsonl.gz").write_bytes(gzip.compress(SEEN[:5000]) + gzip.compress(SEEN[5000:]) + b"\x00" * 512)
    (export / "Procedure.ndjson.gz").write_bytes(b"")
    (export / ".hidden.ndjson").write_bytes(lines(patient("p8")))

    population, rows = agreed(export)

    assert (population.report.counts, len(rows)) == ({}, 3 * len(trials()))


def test_lines_that_are_not_json_are_gaps_of_whom_they_name(tmp_path: Path, small_blocks: None) -> None:
    broken = lines(
        b'{"resourceType":"Observation","subject":{"reference":"Patient/p2"},"val', b"\x00" * 300, b"", b"  \t", b"[1, 2]", b"7"
    )
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK, Observation=SEEN + broken + SEEN[:-1])

    population, rows = agreed(export, complete=True)

    assert population.report.counts == {"line-unreadable": 2, "not-a-resource": 2}
    assert "not-loaded" in whys(by_patient(rows)["p2"])
    assert population.report.lost_types == {"Observation"}


@pytest.mark.parametrize("name", ["Observation", "export"])
def test_bytes_that_are_no_text_are_a_broken_line_and_end_nothing(tmp_path: Path, name: str) -> None:
    latin = json.dumps(platelets("o99", "Patient/p2", note=[{"text": "M\u00fcller"}]), ensure_ascii=False).encode("latin-1")
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK, **{name: SEEN + lines(latin)})

    population, rows = agreed(export)

    assert population.report.counts["line-unreadable"] == 1
    assert "not-loaded" in whys(by_patient(rows)["p2"])


def test_a_number_beyond_all_numbers_makes_a_broken_line_and_ends_nothing(tmp_path: Path) -> None:
    beyond = lines(platelets("o99", "Patient/p2")).replace(b"142", b"1e9999999999999999999")
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK, Observation=SEEN + beyond + beyond.replace(b"9999999999", b""))

    population, rows = agreed(export)

    assert population.report.counts == {"line-unreadable": 1}
    assert "not-loaded" in whys(by_patient(rows)["p2"])


def test_a_diagnosis_in_bytes_that_are_no_text_is_a_gap_and_not_a_sign(tmp_path: Path) -> None:
    latin = json.dumps(lupus("c9", "Patient/p3", note=[{"text": "M\u00fcller"}]), ensure_ascii=False).encode("latin-1")
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK + lines(latin))

    _, rows = agreed(export)

    assert "not-loaded" in whys(by_patient(rows)["p3"])


def test_a_byte_order_mark_and_a_missing_last_end_of_line_lose_nothing(tmp_path: Path, small_blocks: None) -> None:
    mark = b"\xef\xbb\xbf"
    export = write(tmp_path, Patient=mark + PEOPLE[:-1], Condition=mark + SICK[:-1], Observation=mark + SEEN[:-1])

    population, rows = agreed(export)

    assert len(rows) == 3 * len(trials())
    assert population.lines == 3 + 2 + 30


def test_of_keys_written_twice_the_last_counts_for_whom_it_is_too(tmp_path: Path) -> None:
    twice = b'{"resourceType":"Claim","id":"x",' + b'"subject":{"reference":"Patient/p1"},' + lines(lupus("c9", "Patient/p3"))[1:]
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK + twice)

    agreed(export)
    found, _ = at_once(export, question(everyone=False))

    assert found.candidates == 3


def test_a_line_longer_than_a_block_is_one_line(tmp_path: Path) -> None:
    long = lupus("c9", "Patient/p3", text={"status": "generated", "div": "x" * 3_000_000})
    export = write(tmp_path, Patient=PEOPLE, Condition=lines(long) + SICK + lines(long | {"id": "c10"}))

    agreed(export)
    found, _ = at_once(export, question(everyone=False))

    assert found.candidates == 3


def test_a_line_longer_than_any_record_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LONGEST_LINE", 1 << 20)
    export = write(tmp_path, Patient=PEOPLE, Condition=lines(lupus(text={"div": "x" * (3 << 20)})))

    with pytest.raises(SourceError, match="longer than"):
        at_once(export, question())


def test_what_was_deleted_is_no_evidence_wherever_the_export_says_so(tmp_path: Path, small_blocks: None) -> None:
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK, Observation=SEEN)
    (export / "deleted").mkdir()
    write(export / "deleted", Condition=lines(deletions("Condition/c1", "Observation/o1"), deletions("Observation/o2")))

    _, rows = agreed(export)  # BULK-38

    _, kept = agreed(write(tmp_path / "kept", Patient=PEOPLE, Condition=SICK, Observation=SEEN))
    assert by_patient(rows)["p1"] != by_patient(kept)["p1"]
    assert by_patient(rows)["p2"] != by_patient(kept)["p2"]


@pytest.mark.parametrize("place", [0, 1, 15, 29, 30])
@pytest.mark.parametrize("words", ["Observation could not be exported", "Something went wrong", "Patient/p2: Observation failed"])
def test_an_error_among_the_data_is_a_gap_of_whom_the_same_file_tells(
    tmp_path: Path, place: int, words: str, small_blocks: None
) -> None:
    seen = SEEN.splitlines(keepends=True)
    file = b"".join(seen[:place]) + lines(outcome(words)) + b"".join(seen[place:])
    export = write(tmp_path, Patient=PEOPLE + lines(patient("p4")), Condition=SICK, Observation=file)

    population, rows = agreed(export)  # BULK-35

    assert population.report.counts["server-remark"] == 1
    assert any("not-loaded" in whys(row) for row in rows)


def test_an_export_of_errors_alone_is_a_gap_of_everybody(tmp_path: Path) -> None:
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK, error=lines(outcome("Observation could not be exported")))

    _, rows = agreed(export)  # BULK-40

    assert all("not-loaded" in whys(row) for row in rows)


@pytest.mark.parametrize(
    "promised", [{"type": "Observation", "count": 31}, {"type": "Procedure"}, {"type": "Observation", "count": 30}]
)
def test_a_manifest_that_promises_more_than_there_is_is_a_gap(tmp_path: Path, promised: dict[str, object]) -> None:
    export = write(tmp_path, Patient=PEOPLE, Condition=SICK, Observation=SEEN)
    manifest = {"transactionTime": "2026-03-01T00:00:00Z", "request": "x", "output": [promised], "error": []}
    (export / "manifest.json").write_text(json.dumps(manifest))

    population, _ = agreed(export)  # BULK-37

    assert bool(population.report.counts["export-incomplete"]) == (promised.get("count") != 30)


def test_who_has_no_patient_resource_is_nobody(tmp_path: Path) -> None:
    export = write(tmp_path, Patient=lines(patient("p1")), Condition=SICK, Observation=SEEN)

    _, rows = agreed(export)
    found, _ = at_once(export, question(everyone=False))

    assert set(by_patient(rows)) == {"p1"}
    assert found.patients == 1


def test_who_has_no_patient_resource_is_no_candidate(tmp_path: Path) -> None:
    export = write(tmp_path, Patient=lines(patient("p1")), Condition=SICK)

    found, _ = at_once(export, question(everyone=False))

    assert found.candidates == 1
    assert found.signs == {"nct06789107": 1, "nct05471050": 0}


def test_an_export_without_patients_has_nobody(tmp_path: Path) -> None:
    export = write(tmp_path, Condition=SICK)

    population, rows = agreed(export)

    assert (population.patients, rows) == (0, [])


def test_a_patient_without_an_id_is_told_and_not_lost(tmp_path: Path) -> None:
    nameless = patient("p9")
    del nameless["id"]
    export = write(tmp_path, Patient=PEOPLE + lines(nameless), Condition=SICK)

    _, rows = agreed(export)

    assert len(rows) == 4 * len(trials())


def test_bundles_of_records_are_refused_whole(tmp_path: Path) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient("p7")}]}
    export = write(tmp_path, Patient=PEOPLE, more=lines(bundle))

    with pytest.raises(SourceError, match="Bundles"):
        at_once(export, question())


def test_a_resource_of_an_empty_type_is_nobodys_and_ends_nothing(tmp_path: Path) -> None:
    agreed(write(tmp_path, Patient=PEOPLE + lines({"resourceType": "", "id": "x"}), Condition=SICK))


@pytest.mark.parametrize("stage", ["signs", "records"])
@pytest.mark.parametrize(
    "change",
    [
        "longer",
        "gone",
        "another",
        "new",
    ],
)
def test_a_folder_that_changes_while_it_is_read_ends_the_run(tmp_path: Path, stage: str, change: str) -> None:
    export = write(tmp_path, Condition=SICK, Observation=SEEN, Patient=PEOPLE)
    file = export / "Condition.ndjson"

    def meddle(progress: Progress) -> None:
        if progress.stage != stage:
            return
        if change == "longer":
            file.write_bytes(SICK + lines(lupus("c3", "Patient/p3")))
        elif change == "gone":
            file.unlink(missing_ok=True)
        elif change == "new":
            write(export, Procedure=b"")
        else:
            status = file.stat()
            file.write_bytes(SICK.replace(b"Patient/p1", b"Patient/p3"))
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))

    with pytest.raises(SourceError, match="changed"), screened(export, question(everyone=False), meddle) as (_, rows):
        list(rows)
