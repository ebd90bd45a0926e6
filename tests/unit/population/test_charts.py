"""What patients share, and whose record it comes along with (BULK-39)."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from fhir_trial.population.charts import SharedLines, charts_of
from fhir_trial.population.folder import Part, look_into
from fhir_trial.population.gathering import Piles, Wanted, gather
from fhir_trial.population.remarks import Remarks
from fhir_trial.sources.documents import Entry
from tests.unit.population.hospitals import agreed, by_patient, lines, patient, write


def medication(identity: str, name: str, **more: object) -> dict[str, object]:
    return {"resourceType": "Medication", "id": identity, "code": {"text": name}, **more}


def request(identity: str, reference: str, subject: str = "Patient/p1") -> dict[str, object]:
    made = {
        "resourceType": "MedicationRequest",
        "id": identity,
        "status": "active",
        "intent": "order",
        "authoredOn": "2026-02-20",
    }
    return made | {"subject": {"reference": subject}, "medicationReference": {"reference": reference}}


def laid_aside(export: Path, folder: Path) -> SharedLines:
    folder.mkdir()
    for nth, file in enumerate(look_into(export).files):
        with Piles(folder, str(nth)) as piles:
            gather(Part(file), Wanted(frozenset(), None, 1), piles)
    return SharedLines(folder)


def referring_to(*references: str) -> list[Entry]:
    return [Entry(request("r", reference), None, "") for reference in references]


def test_what_is_referred_to_comes_along_with_what_that_refers_to(tmp_path: Path) -> None:
    maker = {"resourceType": "Organization", "id": "m"}
    made = medication("a", "prednisone", manufacturer={"reference": "Organization/m"})
    export = write(tmp_path / "export", Organization=lines(maker), Medication=lines(made, medication("b", "other")))
    shared = laid_aside(export, tmp_path / "piles")

    found = list(shared.referred_to(referring_to("https://ehr.example.invalid/fhir/Medication/a/_history/2", "Medication/none")))

    assert [(number, entry.resource["id"]) for number, entry in found] == [(0, "a"), (1, "m")]


def test_nothing_is_shared_where_nothing_was_laid_aside(tmp_path: Path) -> None:
    assert list(SharedLines(tmp_path).referred_to(referring_to("Medication/a"))) == []


def test_copies_come_in_the_order_of_their_files_and_places(tmp_path: Path) -> None:
    export = write(
        tmp_path / "export",
        b=lines(medication("a", "third"), patient(), medication("a", "fourth")),
        a=lines(medication("a", "first"), medication("a", "second")),
    )
    shared = laid_aside(export, tmp_path / "piles")

    found = [entry.resource["code"]["text"] for _, entry in shared.referred_to(referring_to("Medication/a"))]

    assert found == ["first", "second", "third", "fourth"]


def test_what_many_share_is_read_as_one_patient_at_a_time_reads_it(tmp_path: Path) -> None:
    older = {"versionId": "1"}
    export = write(
        tmp_path,
        Patient=lines(patient("p1"), patient("p2")),
        Medication=lines(medication("a", "rituximab 500 mg IV", meta={"versionId": "2"})),
        More=lines(medication("a", "water", meta=older), medication("b", "prednisone 50 mg tablet")),
        MedicationRequest=lines(request("r1", "Medication/a"), request("r2", "Medication/b", "Patient/p2")),
    )

    _, rows = agreed(export)

    assert by_patient(rows)["p1"].answers != by_patient(rows)["p2"].answers


def test_memory_does_not_hold_what_is_shared_but_only_where_it_stands(tmp_path: Path) -> None:
    content = lines(*(medication(f"m{nth}", "x" * 2000) for nth in range(10_000)))
    export = write(tmp_path / "export", Medication=content)
    tracemalloc.start()
    try:
        shared = laid_aside(export, tmp_path / "piles")
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]

        found = list(shared.referred_to(referring_to("Medication/m77", "Medication/m9999")))

        assert tracemalloc.get_traced_memory()[1] < 4_000_000 < len(content) / 5
        assert before < 4_000_000
    finally:
        tracemalloc.stop()
    assert [entry.resource["id"] for _, entry in found] == ["m77", "m9999"]


def test_memory_holds_one_record_of_a_pile_at_a_time(tmp_path: Path) -> None:
    """However large a hospital, and so its piles: a million people all looked at make piles of hundreds of megabytes."""
    people = [patient(f"p{nth}", text={"div": "x" * 20_000}) for nth in range(1000)]
    export = write(tmp_path / "export", Patient=lines(*people, *people))
    laid_aside(export, tmp_path / "piles")
    tracemalloc.start()
    try:
        charts = charts_of(tmp_path / "piles", "0", frozenset(), Remarks({0: "Patient"}), SharedLines(tmp_path / "piles"))

        found = [(chart.reference, len(chart.patients)) for chart in charts]

        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert found == sorted((f"Patient/p{nth}", 1) for nth in range(1000))
