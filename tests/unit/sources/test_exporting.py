"""One export from kick-off to end against a server on loopback, with the faults of real ones (BULK-60)."""

from __future__ import annotations

import errno
import gzip
import io
import json
import stat
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparing import at_once
from fhir_trial.errors import FatalServerError, SourceError, TemporaryServerError, UsageError
from fhir_trial.sources.exporting.asking import Asked, Level
from fhir_trial.sources.exporting.clocks import Clock
from fhir_trial.sources.exporting.job import Job, JobFolder, JobState
from fhir_trial.sources.exporting.running import Wish, cancel, export
from fhir_trial.transport import NotAuthorisedError, NotFoundError, ServerSettings
from fhir_trial.transport.access import Bearer
from fhir_trial.transport.connection import StoppedError
from fhir_trial.transport.downloads import HostNotAllowedError
from fhir_trial.transport.export_settings import ExportSettings
from fhir_trial.transport.exports import BulkServer, ExportRefusedError
from tests.servers.bulk_hospital import Hospital, Reply, Sent, as_json, lines, ndjson, outcome, packed, ranged, running_hospital
from tests.unit.population.hospitals import lupus, patient, question

Json = dict[str, Any]
BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
MOMENT = "2026-03-02T07:59:58Z"
KICKOFF, STATUS, FILE = "/fhir/Patient/$export", "/fhir/status/1", "/fhir/files/1"
ANN: Json = {"resourceType": "Patient", "id": "ann", "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}
BEA: Json = {"resourceType": "Patient", "id": "bea"}


@dataclass
class Time:
    """A clock that only moves when somebody waits."""

    moment: datetime = BEGAN
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.moment += timedelta(seconds=seconds)


@dataclass
class Ground:
    """A hospital, a folder, and an export of its patients."""

    hospital: Hospital
    folder: Path
    time: Time = field(default_factory=Time)
    told: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    export: ExportSettings = field(default_factory=ExportSettings)
    types: tuple[str, ...] = ("Condition", "Patient")
    halted: Any = None

    def server(self) -> BulkServer:
        return BulkServer(ServerSettings(self.hospital.base, export=self.export, **self.settings), halted=self.halted)

    def clock(self) -> Clock:
        return Clock(self.time.now, self.time.sleep, lambda: 1.0)

    def run(self, folder: Path | None = None, since: str | None = None, asked: Asked | None = None, **wish: Any) -> Job:
        wanted = asked or Asked(self.hospital.base, Level.PATIENTS, None, self.types)
        with self.server() as server:
            return export(server, folder or self.folder, wanted, self.clock(), Wish(since, **wish), self.told.append)

    def cancel(self) -> Job:
        with self.server() as server:
            return cancel(server, self.folder, self.clock())

    def job(self) -> Job:
        job = JobFolder(self.folder).read()
        assert job is not None
        return job

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))

    def events(self) -> list[str]:
        return [json.loads(line)["eventId"] for line in (self.folder / "log.ndjson").read_text().splitlines()]

    def begins(self) -> int:
        return len(self.hospital.requests("GET", KICKOFF))


@pytest.fixture
def hospital() -> Iterator[Hospital]:
    """Two patients in one file, ready at once."""
    with running_hospital() as running:
        running.on("GET", KICKOFF, Reply(202, headers={"Content-Location": f"{running.origin}{STATUS}"}))
        running.on("DELETE", STATUS, Reply(202))
        running.on("GET", STATUS, as_json(manifest(running)))
        running.on("GET", FILE, ndjson(ANN, BEA))
        yield running


@pytest.fixture
def ground(hospital: Hospital, tmp_path: Path) -> Ground:
    return Ground(hospital, tmp_path / "exports" / "one")


def manifest(hospital: Hospital, *more: Json, **members: Any) -> Json:
    output = [{"type": "Patient", "url": f"{hospital.origin}{FILE}", "count": 2}, *more]
    return {
        "transactionTime": MOMENT,
        "request": f"{hospital.origin}{KICKOFF}",
        "requiresAccessToken": True,
        "output": output,
        "error": [],
        **members,
    }


def token(ground: Ground, tmp_path: Path, word: str = "secret-one") -> Path:
    path = tmp_path / "token"
    path.write_text(word)
    ground.settings["access"] = Bearer(path)
    return path


# --- as it should be --------------------------------------------------------------


def test_an_export_ends_as_a_folder_of_files_with_their_manifest_and_log(ground: Ground) -> None:
    """BULK-05, BULK-07, BULK-46, BULK-47, BULK-49."""
    job = ground.run()

    (begun,) = ground.hospital.requests("GET", KICKOFF)
    assert (begun.headers["accept"], begun.headers["prefer"]) == ("application/fhir+json", "respond-async")
    assert begun.query == "_type=Condition%2CPatient"
    assert job.state is JobState.COMPLETE
    assert ground.files() == ["Patient.0001.ndjson", "log.ndjson", "manifest.json", "remarks.ndjson"]
    assert (ground.folder / "Patient.0001.ndjson").read_bytes() == lines(ANN, BEA)
    assert json.loads((ground.folder / "manifest.json").read_text())["output"] == [
        {"type": "Patient", "url": "Patient.0001.ndjson", "count": 2}
    ]
    assert (job.transaction_time, job.is_ended) == (MOMENT, True)
    assert [sent.method for sent in ground.hospital.sent] == ["GET", "GET", "GET", "DELETE"]


def test_what_is_kept_is_for_the_owners_eyes_and_holds_no_link_to_a_file(ground: Ground) -> None:
    """BULK-32, BULK-48."""
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital)))
    ground.run()

    kept = [path for path in ground.folder.rglob("*") if path.is_file()]

    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert all(FILE not in path.read_text() for path in kept)
    assert "ann" not in (ground.folder / "log.ndjson").read_text()
    assert stat.S_IMODE(ground.folder.stat().st_mode) == 0o700


def test_a_server_that_wants_post_gets_parameters_with_each_type_of_its_own(ground: Ground) -> None:
    """BULK-08, BULK-09."""
    ground.export = ExportSettings(method="POST")
    ground.hospital.on("POST", KICKOFF, Reply(202, headers={"Content-Location": "../status/1"}))  # relative, BULK-07

    ground.run(since="2026-03-01T00:00:00+01:00")

    (begun,) = ground.hospital.requests("POST", KICKOFF)
    assert json.loads(begun.body)["parameter"] == [
        {"name": "_type", "valueString": "Condition"},
        {"name": "_type", "valueString": "Patient"},
        {"name": "_since", "valueInstant": "2026-02-28T23:00:00Z"},
    ]


def test_an_empty_output_is_an_answer(ground: Ground) -> None:
    """BULK-29."""
    ground.hospital.on("GET", STATUS, as_json({"transactionTime": MOMENT, "requiresAccessToken": False, "output": []}))

    assert ground.run().state is JobState.COMPLETE


def test_the_newer_dialect_and_unknown_members_are_read_and_pages_are_joined(ground: Ground) -> None:
    """BULK-08, BULK-17, BULK-28, BULK-37: outcome, extension as a list, link, fileSize, no request; files of mixed types."""
    mixed = lines({"resourceType": "Parameters"}, ANN, {"resourceType": "Condition", "id": "c"})
    last: Json = {"url": "../files/3", "fileSize": len(mixed), "continuesInFile": "x"}
    pages = [
        manifest(ground.hospital, extension=[{"url": "x"}], manifestType="y", link=[{"relation": "next", "url": "1/2"}]),
        {"output": [last], "outcome": [{"type": "OperationOutcome", "url": "../files/9"}], "outputFormat": "z"},
    ]
    del pages[0]["error"], pages[0]["request"]
    ground.hospital.on("GET", STATUS, as_json(pages[0]))
    ground.hospital.on("GET", "/fhir/status/1/2", as_json(pages[1]))
    ground.hospital.on("GET", "/fhir/status/files/3", Reply(404))
    ground.hospital.on("GET", "/fhir/files/3", Reply(200, mixed))
    ground.hospital.on("GET", "/fhir/files/9", ndjson(outcome("informational", "information")))
    pages[1]["output"][0]["url"], pages[1]["outcome"][0]["url"] = "../../files/3", "../../files/9"
    ground.hospital.on("GET", "/fhir/status/1/2", as_json(pages[1]))

    job = ground.run()

    assert job.state is JobState.COMPLETE
    assert [(file.kind, file.resources) for file in job.files] == [("Patient", 2), ("Resource", 2), ("OperationOutcome", 1)]


def test_files_of_deletions_are_kept_for_whoever_reads_the_folder(ground: Ground) -> None:
    """BULK-38."""
    gone = {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "DELETE", "url": "Condition/c"}}]}
    deleted = [{"type": "Bundle", "url": f"{ground.hospital.origin}/fhir/files/2", "count": 1}]
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital, deleted=deleted)))
    ground.hospital.on("GET", "/fhir/files/2", ndjson(gone))

    assert ground.run().state is JobState.COMPLETE
    assert (ground.folder / "deleted.0002.ndjson").read_bytes() == lines(gone)


def test_the_same_resource_twice_is_left_to_whoever_reads_the_folder(ground: Ground) -> None:
    """BULK-39."""
    ground.hospital.on("GET", FILE, ndjson(ANN, ANN))

    assert ground.run().state is JobState.COMPLETE


@pytest.mark.parametrize("encoding", [True, False])
def test_a_packed_file_is_unpacked_on_the_disk(ground: Ground, encoding: bool) -> None:
    """BULK-33: as a Content-Encoding, and as a .gz file."""
    ground.hospital.on("GET", FILE, packed(ANN, BEA, encoding=encoding))

    assert ground.run().state is JobState.COMPLETE
    assert (ground.folder / "Patient.0001.ndjson").read_bytes() == lines(ANN, BEA)
    (asked,) = ground.hospital.requests("GET", FILE)
    assert (asked.headers["accept"], asked.headers["accept-encoding"]) == ("application/fhir+ndjson", "gzip")


# --- kick-off ---------------------------------------------------------------------


def test_a_refused_kick_off_is_shown_and_fails_the_job_for_good(ground: Ground) -> None:
    """BULK-18."""
    ground.hospital.on("GET", KICKOFF, as_json(outcome("not-supported"), 422))

    with pytest.raises(FatalServerError, match=r"422 \(not-supported") as caught:
        ground.run()
    assert "Jane" not in str(caught.value)
    assert ground.job().state is JobState.FAILED


def test_a_busy_server_is_asked_again_when_it_wants(ground: Ground) -> None:
    """BULK-18, BULK-60: 429 at the kick-off."""
    busy = Reply(429, headers={"Retry-After": "7"})
    ground.hospital.on("GET", KICKOFF, busy, busy, Reply(202, headers={"Content-Location": f"{ground.hospital.origin}{STATUS}"}))

    assert ground.run().state is JobState.COMPLETE
    assert ground.time.waits == [7.0, 7.0]


@pytest.mark.parametrize("reply", [Reply(200), Reply(204), Reply(202)])
def test_an_answer_that_begins_nothing_is_a_failure(ground: Ground, reply: Reply) -> None:
    """BULK-27."""
    ground.hospital.on("GET", KICKOFF, reply)

    with pytest.raises(ExportRefusedError):
        ground.run()
    assert ground.job().state is JobState.FAILED


@pytest.mark.parametrize("fault", [Reply(500), Reply(503)])
def test_a_kick_off_that_may_not_have_begun_anything_is_not_repeated_by_itself(ground: Ground, fault: Reply) -> None:
    """BULK-19: somebody looks, and runs again."""
    begun = Reply(202, headers={"Content-Location": f"{ground.hospital.origin}{STATUS}"})
    ground.hospital.on("GET", KICKOFF, fault, begun)

    with pytest.raises(TemporaryServerError):
        ground.run()
    assert ground.job().state is JobState.PENDING
    assert ground.run().state is JobState.COMPLETE


# --- waiting ----------------------------------------------------------------------


def test_the_server_says_when_to_ask_again_and_is_held_to_five_minutes(ground: Ground) -> None:
    """BULK-21, BULK-22: seconds, a date, five hours, nothing, zero; never sooner than after a second."""

    def waiting(after: str | None) -> Reply:
        return Reply(202, headers={"X-Progress": "so\x1b[2Jfar"} | ({} if after is None else {"Retry-After": after}))

    past = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
    far = format_datetime(datetime(2099, 1, 1, tzinfo=UTC), usegmt=True)
    replies = [waiting(after) for after in ("30", far, "18000", "0", past, None)]
    ground.hospital.on("GET", STATUS, *replies, as_json(manifest(ground.hospital)))

    ground.run()

    assert ground.time.waits == [30.0, 300.0, 300.0, 8.0, 16.0, 32.0]
    assert ground.told[0] == "so [2Jfar"


def test_being_told_to_slow_down_does_not_end_the_job(ground: Ground) -> None:
    """BULK-22, BULK-60: 429 at the status."""
    ground.hospital.on("GET", STATUS, *[Reply(429)] * 30, as_json(manifest(ground.hospital)))

    assert ground.run().state is JobState.COMPLETE
    assert ground.time.waits[:4] == [2.0, 4.0, 8.0, 16.0]
    assert max(ground.time.waits) == 300.0


def test_a_transient_fault_is_waited_out_however_often_it_comes(ground: Ground) -> None:
    """BULK-24."""
    ground.hospital.on("GET", STATUS, *[as_json(outcome("transient"), 500)] * 40, as_json(manifest(ground.hospital)))

    assert ground.run().state is JobState.COMPLETE


@pytest.mark.parametrize(
    "fault",
    [
        Reply(500, b"<html>Jane Roe</html>", {"Content-Type": "text/html"}),
        Reply(504),
        as_json(outcome("exception"), 500),
        Reply(200, b"<html>sign in</html>", {"Content-Type": "text/html"}),
        Reply(200),
        as_json({"resourceType": "OperationOutcome"}),
        Reply(200, b"{}", cut=1),
    ],
)
def test_another_fault_is_waited_out_so_many_times_and_the_job_can_go_on_later(ground: Ground, fault: Reply) -> None:
    """BULK-24, BULK-25, BULK-60: HTML, nothing, a cut; some servers say so of an export that is lost."""
    ground.hospital.on("GET", STATUS, fault)

    with pytest.raises(TemporaryServerError) as caught:
        ground.run()
    assert len(ground.hospital.requests("GET", STATUS)) == 13
    assert "Jane" not in str(caught.value)
    assert ground.job().state is JobState.EXPORTING
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital)))
    assert ground.run().state is JobState.COMPLETE
    assert ground.begins() == 1


def test_a_few_faults_are_nothing(ground: Ground) -> None:
    """BULK-24."""
    ground.hospital.on("GET", STATUS, *[Reply(502)] * 12, Reply(202), *[Reply(502)] * 12, as_json(manifest(ground.hospital)))

    assert ground.run().state is JobState.COMPLETE


@pytest.mark.parametrize("reply", [Reply(204), as_json(outcome("exception"), 400), Reply(302, headers={"Location": "/x"})])
def test_a_status_that_is_neither_wait_nor_end_fails_the_job_and_it_is_deleted(ground: Ground, reply: Reply) -> None:
    """BULK-27."""
    ground.hospital.on("GET", STATUS, reply)

    with pytest.raises(FatalServerError):
        ground.run()
    assert ground.job().state is JobState.FAILED
    assert len(ground.hospital.requests("DELETE", STATUS)) == 1


def test_an_export_that_the_server_forgot_fails_the_job(ground: Ground) -> None:
    ground.hospital.on("GET", STATUS, Reply(404))

    with pytest.raises(NotFoundError):
        ground.run()
    assert ground.job().state is JobState.FAILED
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital)))
    assert ground.run().state is JobState.COMPLETE  # a failed one is begun again


def test_an_export_that_takes_longer_than_the_site_allows_is_given_up(ground: Ground) -> None:
    """BULK-23."""
    ground.export = ExportSettings(longest_days=1)
    ground.hospital.on("GET", STATUS, Reply(202, headers={"Retry-After": "300"}))

    with pytest.raises(ExportRefusedError, match="export_days"):
        ground.run()
    assert ground.job().state is JobState.FAILED
    assert len(ground.hospital.requests("GET", STATUS)) == 24 * 12 + 2


def test_the_status_of_the_export_may_stand_beside_that_of_the_answer(ground: Ground) -> None:
    """BULK-26."""
    ground.hospital.on("GET", STATUS, Reply(200, headers={"X-Export-Status": "202"}), as_json(manifest(ground.hospital)))

    assert ground.run().state is JobState.COMPLETE


def test_a_status_that_lies_elsewhere_is_asked_once_the_settings_allow_it_and_the_export_is_not_begun_again(
    ground: Ground, tmp_path: Path
) -> None:
    """BULK-07, SMART-45: some servers have their exports beside their FHIR base."""
    token(ground, tmp_path)
    ground.hospital.on("GET", KICKOFF, Reply(202, headers={"Content-Location": f"{ground.hospital.origin}/bulk/1"}))
    ground.hospital.on("GET", "/bulk/1", as_json(manifest(ground.hospital)))
    ground.hospital.on("DELETE", "/bulk/1", Reply(202))

    with pytest.raises(HostNotAllowedError, match="aliases"):
        ground.run()
    assert ground.hospital.requests("GET", "/bulk/1") == []
    assert ground.job().state is JobState.EXPORTING
    ground.settings["aliases"] = (f"{ground.hospital.origin}/bulk",)
    assert ground.run().state is JobState.COMPLETE
    assert ground.begins() == 1


# --- files ------------------------------------------------------------------------


def test_a_file_is_tried_again_after_minutes(ground: Ground) -> None:
    """BULK-45, BULK-60: 429 and 5xx at a file."""
    ground.hospital.on("GET", FILE, Reply(429, headers={"Retry-After": "100"}), Reply(503), Reply(500), ndjson(ANN, BEA))

    assert ground.run().state is JobState.COMPLETE
    assert sum(ground.time.waits) == pytest.approx(100 + 60 + 120 + 240)


def test_a_file_that_cannot_be_had_leaves_its_type_partial_and_the_export_at_the_server(ground: Ground) -> None:
    """BULK-40, BULK-45, BULK-46, BULK-50."""
    ground.hospital.on("GET", FILE, Reply(503))

    job = ground.run()

    assert job.state is JobState.WITH_ERRORS
    assert len(ground.hospital.requests("GET", FILE)) == 5
    assert ground.hospital.requests("DELETE", STATUS) == []
    assert "Patient: a file of the export is missing" in (ground.folder / "remarks.ndjson").read_text()
    assert ground.files() == ["log.ndjson", "manifest.json", "remarks.ndjson"]
    ground.hospital.on("GET", FILE, ndjson(ANN, BEA))
    assert ground.run().state is JobState.COMPLETE
    assert (ground.folder / "remarks.ndjson").read_bytes() == b""
    assert len(ground.hospital.requests("DELETE", STATUS)) == 1
    assert ground.begins() == 1


def test_a_file_that_is_cut_is_taken_up_where_it_broke_off(ground: Ground) -> None:
    """BULK-36, BULK-60."""
    content = lines(*({"resourceType": "Patient", "id": f"p{number}"} for number in range(2)), BEA)[: -len(lines(BEA))]
    ground.hospital.on("GET", FILE, Reply(200, content, {"ETag": '"v1"'}, cut=17), ranged(content))

    assert ground.run().state is JobState.COMPLETE
    assert (ground.folder / "Patient.0001.ndjson").read_bytes() == content
    again = ground.hospital.requests("GET", FILE)[1].headers
    assert (again["range"], again["if-range"]) == ("bytes=17-", '"v1"')
    assert sum(ground.time.waits) == 1.0


@pytest.mark.parametrize("tag", ["", 'W/"v1"', '"v2"'])
def test_a_cut_file_that_may_be_another_one_is_fetched_anew(ground: Ground, tag: str) -> None:
    """BULK-36: no validator, a weak one, or one that the server does not know any more."""
    content = lines(ANN, BEA)
    headers = {"ETag": tag} if tag else {}
    ground.hospital.on("GET", FILE, Reply(200, content, headers, cut=17), ranged(content))

    assert ground.run().state is JobState.COMPLETE
    assert (ground.folder / "Patient.0001.ndjson").read_bytes() == content


@pytest.mark.parametrize("cut", [4, 13, 15, 18, -6, -5])
def test_a_file_in_chunks_that_is_cut_anywhere_is_not_taken_for_whole(ground: Ground, cut: int) -> None:
    """BULK-36, BULK-60: within a chunk, between two, and before the last one, which says that there are no more."""
    content = lines(ANN, BEA)
    whole = Reply(200, content, chunked=True)
    ground.hospital.on("GET", FILE, replace(whole, cut=len(whole.on_the_wire()) + cut if cut < 0 else cut), whole)

    assert ground.run().state is JobState.COMPLETE
    assert (ground.folder / "Patient.0001.ndjson").read_bytes() == content
    assert len(ground.hospital.requests("GET", FILE)) == 2


def test_a_range_that_is_another_one_is_not_put_behind_what_came(ground: Ground) -> None:
    content = lines(ANN, BEA)
    wrong = Reply(206, content[5:], {"Content-Range": f"bytes 5-{len(content) - 1}/{len(content)}", "ETag": '"v1"'})
    ground.hospital.on("GET", FILE, Reply(200, content, {"ETag": '"v1"'}, cut=17), wrong, Reply(416), ranged(content))

    assert ground.run().state is JobState.COMPLETE
    assert (ground.folder / "Patient.0001.ndjson").read_bytes() == content


def test_a_packed_file_that_breaks_off_is_fetched_anew_and_never_taken(ground: Ground) -> None:
    """BULK-33, BULK-60: truncated gzip, its length as announced."""
    short = gzip.compress(lines(ANN, BEA))[:-4]
    ground.hospital.on("GET", FILE, Reply(200, short), packed(ANN, BEA))
    assert ground.run().state is JobState.COMPLETE

    ground.hospital.on("GET", FILE, Reply(200, short))
    job = ground.run(ground.folder.with_name("two"))
    assert (job.state, job.files[0].trouble) == (JobState.WITH_ERRORS, "Export file: its compression breaks off.")


@pytest.mark.parametrize("packing", [gzip.compress, bytes])
def test_a_file_that_is_larger_than_allowed_is_not_taken(ground: Ground, packing: Any) -> None:
    """BULK-33: what comes out of it counts."""
    ground.export = ExportSettings(largest_file=200)
    ground.hospital.on("GET", FILE, Reply(200, packing(lines(*[ANN] * 50))))

    job = ground.run()

    assert job.state is JobState.WITH_ERRORS
    assert "larger" in (job.files[0].trouble or "")


def test_fewer_or_more_resources_than_promised_are_an_error(ground: Ground) -> None:
    """BULK-37: fetched once more, then taken as it is, and said."""
    ground.hospital.on("GET", FILE, ndjson(ANN))

    job = ground.run()

    assert (job.state, job.files[0].trouble) == (JobState.WITH_ERRORS, "Export file: 2 resources were promised, and 1 came.")
    assert len(ground.hospital.requests("GET", FILE)) == 2
    assert json.loads((ground.folder / "manifest.json").read_text())["output"][0]["count"] == 2


def test_another_size_than_promised_is_an_error(ground: Ground) -> None:
    """BULK-37."""
    output = [{"type": "Patient", "url": f"{ground.hospital.origin}{FILE}", "fileSize": 12}]
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital) | {"output": output}))

    assert ground.run().state is JobState.WITH_ERRORS


def test_a_file_of_which_nobody_says_where_it_ends_is_not_called_whole(ground: Ground) -> None:
    """Nothing silently partial: a connection that closes may have been cut."""
    output = [{"type": "Patient", "url": f"{ground.hospital.origin}{FILE}"}]
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital) | {"output": output}))
    ground.hospital.on("GET", FILE, Reply(200, lines(ANN, BEA), unsized=True))

    assert ground.run().state is JobState.WITH_ERRORS


def test_lines_that_are_no_json_and_other_types_than_promised_are_counted(ground: Ground) -> None:
    """BULK-34, BULK-35: an OperationOutcome among the data; blank lines and CRLF are fine."""
    content = lines(ANN) + b"\r\n\n" + b'{"resourceType": "Patient"\n' + lines(outcome("exception"))
    output = [{"type": "Patient", "url": f"{ground.hospital.origin}{FILE}", "count": 3}]
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital) | {"output": output}))
    ground.hospital.on("GET", FILE, Reply(200, content))

    job = ground.run()

    assert job.state is JobState.WITH_ERRORS
    file = job.files[0]
    assert (file.resources, file.unreadable, file.unexpected, file.trouble) == (2, 1, 1, None)


def test_html_instead_of_a_file_is_never_taken(ground: Ground) -> None:
    """BULK-25."""
    ground.hospital.on("GET", FILE, Reply(200, b"<html>", {"Content-Type": "text/html"}))

    assert ground.run().state is JobState.WITH_ERRORS


@pytest.mark.parametrize(("severity", "state"), [("error", JobState.WITH_ERRORS), ("warning", JobState.COMPLETE)])
def test_error_files_are_read_and_counted_by_code(ground: Ground, severity: str, state: JobState) -> None:
    """BULK-40."""
    errors = [{"type": "OperationOutcome", "url": f"{ground.hospital.origin}/fhir/files/2", "count": 2}]
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital, error=errors)))
    ground.hospital.on("GET", "/fhir/files/2", ndjson(outcome("exception", severity), outcome("exception", severity)))

    job = ground.run()

    assert (job.state, job.files[1].issues) == (state, {f"{severity} exception": 2})


def test_a_full_disk_stops_the_run_and_the_export_goes_on_when_there_is_room(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BULK-36, BULK-49."""

    class Full(io.BytesIO):
        def write(self, content: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fhir_trial.transport.downloads._opened", lambda came: nullcontext(Full()))
        with pytest.raises(SourceError, match="No space left"):
            ground.run()

    assert ground.job().state is JobState.DOWNLOADING
    assert ground.run().state is JobState.COMPLETE


def test_what_is_missing_makes_criteria_unknown_and_nothing_absent(ground: Ground) -> None:
    """BULK-40, BULK-50: for whoever screens the folder, whole records or not."""
    files = {"Patient": [patient("p1")], "Condition": [lupus()]}
    output = [{"type": kind, "url": f"{ground.hospital.base}/files/{kind}"} for kind in ("Patient", "Condition", "Observation")]
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital) | {"output": output}))
    for kind, resources in files.items():
        ground.hospital.on("GET", f"/fhir/files/{kind}", ndjson(*resources))

    job = ground.run()

    assert job.state is JobState.WITH_ERRORS
    _, rows = at_once(ground.folder, question(complete=True))
    assert {"not-loaded"} <= {each.why for row in rows for each in row.answers}
    ground.hospital.on("GET", "/fhir/files/Observation", ndjson())
    assert ground.run().state is JobState.COMPLETE
    _, rows = at_once(ground.folder, question(complete=True))
    assert "not-loaded" not in {each.why for row in rows for each in row.answers}


# --- who is told who we are -------------------------------------------------------


def test_the_token_goes_with_every_request_to_the_server(ground: Ground, tmp_path: Path) -> None:
    """BULK-02."""
    token(ground, tmp_path)

    ground.run()

    assert {sent.headers.get("authorization") for sent in ground.hospital.sent} == {"Bearer secret-one"}
    assert all("secret" not in path.read_text() for path in ground.folder.rglob("*") if path.is_file())


def test_no_token_goes_where_none_is_wanted(ground: Ground, tmp_path: Path) -> None:
    """BULK-30, BULK-60: requiresAccessToken false."""
    token(ground, tmp_path)
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital, requiresAccessToken=False)))

    ground.run()

    (asked,) = ground.hospital.requests("GET", FILE)
    assert "authorization" not in asked.headers


def test_a_redirect_to_another_host_loses_the_token_and_the_vendors_headers(ground: Ground, tmp_path: Path) -> None:
    """BULK-31, BULK-60."""
    token(ground, tmp_path)
    ground.settings["headers"] = (("X-Vendor", "ours"),)
    with running_hospital() as storage:
        where = storage.origin.removeprefix("http://")
        ground.export = ExportSettings(download_hosts=(where,))
        ground.hospital.on("GET", FILE, Reply(307, headers={"Location": f"{storage.origin}/kept/1?sig=secret-link"}))
        storage.on("GET", "/kept/1", ndjson(ANN, BEA))

        job = ground.run()

    (asked,) = storage.sent
    assert job.state is JobState.COMPLETE
    assert "authorization" not in asked.headers
    assert "x-vendor" not in asked.headers
    assert asked.query == "sig=secret-link"
    assert all("secret" not in path.read_text() for path in ground.folder.rglob("*") if path.is_file())


def test_a_host_that_the_settings_do_not_name_is_not_asked_and_the_job_goes_on_when_they_do(ground: Ground) -> None:
    """BULK-31."""
    with running_hospital() as storage:
        ground.hospital.on("GET", FILE, Reply(307, headers={"Location": f"{storage.origin}/kept/1?sig=secret-link"}))
        storage.on("GET", "/kept/1", ndjson(ANN, BEA))

        with pytest.raises(HostNotAllowedError, match="'download_hosts'") as caught:
            ground.run()
        assert storage.sent == []
        assert "secret" not in str(caught.value)
        assert ground.job().state is JobState.DOWNLOADING
        ground.export = ExportSettings(download_hosts=("127.0.0.1",))
        assert ground.run().state is JobState.COMPLETE


def test_redirects_in_a_circle_end(ground: Ground) -> None:
    ground.hospital.on("GET", FILE, Reply(302, headers={"Location": FILE}))

    assert ground.run().state is JobState.WITH_ERRORS
    assert len(ground.hospital.requests("GET", FILE)) == 6


@pytest.mark.parametrize("method", ["poll", "file", "end"])
def test_a_token_that_ends_on_the_way_is_renewed_without_costing_a_try(ground: Ground, tmp_path: Path, method: str) -> None:
    """BULK-02, BULK-60: 401 at the status, at a file, and at the end."""
    path = token(ground, tmp_path)
    where = {"poll": ("GET", STATUS), "file": ("GET", FILE), "end": ("DELETE", STATUS)}[method]
    good = {"poll": as_json(manifest(ground.hospital)), "file": ndjson(ANN, BEA), "end": Reply(202)}[method]

    def ended(sent: Sent) -> Reply:
        path.write_text("secret-two")
        return Reply(401)

    ground.hospital.on(*where, ended, good)

    job = ground.run()

    assert (job.state, job.is_ended) == (JobState.COMPLETE, True)
    assert [sent.headers["authorization"] for sent in ground.hospital.requests(*where)] == [
        "Bearer secret-one",
        "Bearer secret-two",
    ]
    assert ground.time.waits == []


@pytest.mark.parametrize("where", [STATUS, FILE])
def test_a_token_that_is_refused_twice_stops_the_run_and_not_the_export(ground: Ground, tmp_path: Path, where: str) -> None:
    """BULK-02."""
    path = token(ground, tmp_path)
    good = {STATUS: as_json(manifest(ground.hospital)), FILE: ndjson(ANN, BEA)}[where]

    def refusing(sent: Sent) -> Reply:
        path.write_text(f"secret-{len(ground.hospital.sent)}")
        return Reply(401)

    ground.hospital.on("GET", where, refusing)
    with pytest.raises(NotAuthorisedError):
        ground.run()

    assert len(ground.hospital.requests("GET", where)) == 2
    assert ground.job().state.is_alive
    ground.hospital.on("GET", where, good)
    assert ground.run().state is JobState.COMPLETE


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_link_whose_time_is_over_is_asked_for_again(ground: Ground, status: int) -> None:
    """BULK-32."""
    first = manifest(ground.hospital, requiresAccessToken=False)
    first["output"][0]["url"] += "?X-Amz-Signature=old"
    second = json.loads(json.dumps(first).replace("=old", "=new"))
    ground.hospital.on("GET", STATUS, as_json(first), as_json(second))
    ground.hospital.on("GET", FILE, lambda sent: ndjson(ANN, BEA) if "new" in sent.query else Reply(status))

    assert ground.run().state is JobState.COMPLETE
    assert [sent.query for sent in ground.hospital.requests("GET", FILE)] == ["X-Amz-Signature=old", "X-Amz-Signature=new"]


def test_nothing_is_sent_once_the_site_is_stopped(ground: Ground) -> None:
    """SEC-60."""
    ground.halted = lambda: len(ground.hospital.sent) >= 2

    with pytest.raises(StoppedError):
        ground.run()
    assert len(ground.hospital.sent) == 2
    assert ground.job().state is JobState.DOWNLOADING
    ground.halted = None
    assert ground.run().state is JobState.COMPLETE


# --- stopping and going on --------------------------------------------------------


class Killed(BaseException):
    """Somebody ended the process."""


@pytest.mark.parametrize("step", range(40))
def test_whoever_is_killed_at_any_step_goes_on_and_begins_nothing_twice(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """BULK-07, BULK-36, BULK-49, BULK-60: killed before each request, and before and after each change on the disk."""
    more = {"type": "Condition", "url": f"{ground.hospital.origin}/fhir/files/2", "count": 1}
    ground.hospital.on("GET", STATUS, Reply(202), as_json(manifest(ground.hospital, more)))
    ground.hospital.on("GET", "/fhir/files/2", ndjson({"resourceType": "Condition", "id": "c"}))
    ground.export = ExportSettings(parallel_downloads=1)
    left = [step]

    def breaking(patch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
        real = getattr(owner, name)

        def replaced(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == -1:
                raise Killed
            made = real(*args, **kwargs)
            if after:
                left[0] -= 1
                if left[0] == -1:
                    raise Killed
            return made

        patch.setattr(owner, name, replaced)

    with monkeypatch.context() as patch:
        for name in ("kick_off", "poll", "fetch", "end"):
            breaking(patch, BulkServer, name, after=False)
        for name in ("save", "publish", "write", "publish_log"):
            breaking(patch, JobFolder, name, after=True)
        try:
            ground.run()
            was_killed = False
        except Killed:
            was_killed = True

    job = ground.run()

    assert job.state is JobState.COMPLETE
    assert was_killed == (left[0] <= -1)
    assert ground.files() == ["Condition.0002.ndjson", "Patient.0001.ndjson", "log.ndjson", "manifest.json", "remarks.ndjson"]
    assert (ground.folder / "Patient.0001.ndjson").read_bytes() == lines(ANN, BEA)
    # Between the answer and the note of it there is one moment in which nobody knows: then it is begun twice, and never later.
    assert ground.begins() <= 2
    assert job.is_ended


def test_a_job_that_is_complete_is_left_alone(ground: Ground) -> None:
    """BULK-36, BULK-49."""
    ground.run()
    before = len(ground.hospital.sent)

    assert ground.run().state is JobState.COMPLETE
    assert len(ground.hospital.sent) == before


def test_a_restart_fetches_only_what_is_not_whole_yet_with_links_of_today(ground: Ground) -> None:
    """BULK-32, BULK-36."""
    more: Json = {"type": "Condition", "url": f"{ground.hospital.origin}/fhir/files/2?sig=one", "count": 1}
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital, more)))
    ground.hospital.on("GET", "/fhir/files/2", Reply(307, headers={"Location": "https://storage.example.invalid/x"}))
    ground.export = ExportSettings(parallel_downloads=1)
    with pytest.raises(HostNotAllowedError):
        ground.run()
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital, more | {"url": more["url"].replace("one", "two")})))
    ground.hospital.on("GET", "/fhir/files/2", ndjson({"resourceType": "Condition", "id": "c"}))

    job = ground.run()

    assert job.state is JobState.COMPLETE
    assert len(ground.hospital.requests("GET", FILE)) == 1
    assert [sent.query for sent in ground.hospital.requests("GET", "/fhir/files/2")] == ["sig=one", "sig=two"]


def test_a_manifest_that_names_other_files_after_a_restart_is_fetched_from_the_start(ground: Ground) -> None:
    more = {"type": "Condition", "url": f"{ground.hospital.origin}/fhir/files/2", "count": 1}
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital, more)))
    ground.hospital.on("GET", "/fhir/files/2", Reply(307, headers={"Location": "https://storage.example.invalid/x"}))
    with pytest.raises(HostNotAllowedError):
        ground.run()
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital)))

    assert ground.run().state is JobState.COMPLETE
    assert ground.files() == ["Patient.0001.ndjson", "log.ndjson", "manifest.json", "remarks.ndjson"]


def test_a_folder_with_an_export_that_did_not_end_holds_nothing_to_read(ground: Ground) -> None:
    """Nothing silently partial."""
    from fhir_trial.population.folder import look_into

    more = {"type": "Condition", "url": f"{ground.hospital.origin}/fhir/files/2", "count": 1}
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital, more)))
    ground.hospital.on("GET", "/fhir/files/2", Reply(307, headers={"Location": "https://storage.example.invalid/x"}))
    ground.export = ExportSettings(parallel_downloads=1)
    with pytest.raises(HostNotAllowedError):
        ground.run()

    with pytest.raises(SourceError, match="No NDJSON"):
        look_into(ground.folder)


def test_a_cancelled_export_is_deleted_at_the_server(ground: Ground) -> None:
    """BULK-46."""
    ground.hospital.on("GET", STATUS, Reply(500))
    with pytest.raises(TemporaryServerError):
        ground.run()

    job = ground.cancel()

    assert (job.state, job.is_ended) == (JobState.CANCELLED, True)
    assert len(ground.hospital.requests("DELETE", STATUS)) == 1


@pytest.mark.parametrize(("status", "ended"), [(202, True), (204, True), (404, True), (405, True), (403, False), (500, False)])
def test_the_end_is_told_once_and_a_refusal_does_not_spoil_the_export(ground: Ground, status: int, ended: bool) -> None:
    """BULK-46: 404 is fine, since some servers delete by themselves; others have no DELETE."""
    ground.hospital.on("DELETE", STATUS, Reply(status))

    job = ground.run()

    assert (job.state, job.is_ended) == (JobState.COMPLETE, ended)
    ground.run()
    assert len(ground.hospital.requests("DELETE", STATUS)) == (1 if ended else 2)


# --- side by side -----------------------------------------------------------------


def test_an_export_of_the_same_that_has_not_ended_is_in_the_way(ground: Ground) -> None:
    """BULK-19."""
    ground.hospital.on("GET", STATUS, Reply(500))
    with pytest.raises(TemporaryServerError):
        ground.run()

    with pytest.raises(UsageError, match="one at a time"):
        ground.run(ground.folder.with_name("two"))
    assert ground.begins() == 1


def test_a_folder_of_something_else_is_not_written_to(ground: Ground) -> None:
    ground.folder.mkdir(parents=True)
    (ground.folder / "mine.txt").write_text("mine")

    with pytest.raises(UsageError, match="holds something already"):
        ground.run()
    ground.folder = ground.folder.with_name("two")
    ground.run()
    with pytest.raises(UsageError, match="another export"):
        ground.run(asked=Asked(ground.hospital.base, Level.PATIENTS, None, ("Patient",)))


def test_changes_are_asked_for_since_the_servers_own_moment_with_some_minutes_of_overlap(ground: Ground) -> None:
    """BULK-12, BULK-43: never by our clock."""
    dated = [ANN, ANN | {"id": "cleo", "meta": {"lastUpdated": "2099-01-01T00:00:00Z"}}]
    ground.hospital.on("GET", FILE, ndjson(*dated))
    ground.run()

    job = ground.run(ground.folder.with_name("two"), since="auto")

    assert (job.since, job.why_all) == ("2026-03-02T07:49:58Z", None)
    assert ground.hospital.requests("GET", KICKOFF)[1].query.endswith("_since=2026-03-02T07%3A49%3A58Z")


def test_without_dates_of_change_everything_is_asked_for_again_and_the_record_says_so(ground: Ground) -> None:
    """BULK-14."""
    ground.hospital.on("GET", FILE, ndjson(BEA, BEA))
    ground.run()

    job = ground.run(ground.folder.with_name("two"), since="auto")

    assert job.since is None
    assert "does not say when a resource was changed" in (job.why_all or "")


def test_only_a_complete_export_is_a_ground_for_asking_for_changes(ground: Ground) -> None:
    """BULK-12, BULK-50."""
    ground.hospital.on("GET", FILE, ndjson(ANN))
    assert ground.run().state is JobState.WITH_ERRORS

    job = ground.run(ground.folder.with_name("two"), since="auto")

    assert "no complete export" in (job.why_all or "")


@pytest.mark.parametrize(("members", "all_of_it"), [(("ann", "bea"), False), (("ann",), False), (("ann", "dora"), True)])
def test_whoever_joins_a_group_is_exported_whole(ground: Ground, members: tuple[str, ...], all_of_it: bool) -> None:
    """BULK-06, BULK-13: changes alone would lack what is older of patients who have joined since."""

    def group(*names: str) -> Reply:
        entities = [{"entity": {"reference": f"Patient/{name}"}} for name in names]
        return as_json({"resourceType": "Group", "id": "g", "member": entities})

    asked = Asked(ground.hospital.base, Level.GROUP, "g", ("Patient",))
    location = {"Content-Location": f"{ground.hospital.origin}{STATUS}"}
    ground.hospital.on("GET", "/fhir/Group/g/$export", Reply(202, headers=location))
    ground.hospital.on("GET", "/fhir/Group/g", group("ann", "bea"), group(*members))
    ground.hospital.on("GET", FILE, ndjson(ANN, ANN))
    ground.run(asked=asked)

    job = ground.run(ground.folder.with_name("two"), since="auto", asked=asked)

    assert (job.since is None) == all_of_it
    assert "dora" not in (ground.folder.with_name("two") / ".export" / "job.json").read_text()


def test_a_filter_leaves_its_type_partial(ground: Ground) -> None:
    """BULK-10, BULK-11, BULK-50: the comma within it is sent encoded twice."""
    asked = replace(
        Asked(ground.hospital.base, Level.PATIENTS, None, ("Observation", "Patient")),
        filters=("Observation?code=http://loinc.org|777-3%2Chttp://loinc.org|718-7",),
    )

    ground.run(asked=asked)

    (begun,) = ground.hospital.requests("GET", KICKOFF)
    assert "777-3%252Chttp" in begun.query
    assert "Observation: only what has a known code" in (ground.folder / "remarks.ndjson").read_text()


# --- what is referred to ----------------------------------------------------------


def test_what_is_referred_to_and_missing_is_read_once_and_what_is_not_found_is_counted(ground: Ground) -> None:
    """BULK-20, BULK-41."""
    orders = [
        {"resourceType": "MedicationRequest", "id": f"m{n}", "medicationReference": {"reference": f"Medication/{drug}"}}
        for n, drug in enumerate(("a", "a", "b", "gone"))
    ]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "result": [{"reference": "Observation/o1"}, {"reference": "Observation/o2"}],
    }
    files: dict[str, list[Json]] = {
        "MedicationRequest": orders,
        "DiagnosticReport": [report],
        "Observation": [{"resourceType": "Observation", "id": "o1"}],
    }
    output = [
        {"type": kind, "url": f"{ground.hospital.base}/files/{kind}", "count": len(resources)}
        for kind, resources in files.items()
    ]
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital) | {"output": output}))
    for kind, resources in files.items():
        ground.hospital.on("GET", f"/fhir/files/{kind}", ndjson(*resources))

    def found(sent: Sent) -> Reply:
        kind = sent.path.split("/")[2]
        names = ["a", "b"] if kind == "Medication" else ["o2"]
        entries = [{"resource": {"resourceType": kind, "id": name}, "search": {"mode": "match"}} for name in names]
        return as_json({"resourceType": "Bundle", "type": "searchset", "entry": entries})

    ground.hospital.on("GET", "/fhir/metadata", as_json({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}))
    ground.hospital.on("GET", "/fhir/Medication", found)
    ground.hospital.on("GET", "/fhir/Observation", found)

    job = ground.run()

    assert job.state is JobState.COMPLETE
    assert (job.hydrated, job.unresolved) == ({"Medication": 2, "Observation": 1}, {"Medication": 1})
    assert (ground.folder / "Medication.referred.ndjson").read_bytes().count(b"\n") == 2
    assert "o1" not in ground.hospital.requests("GET", "/fhir/Observation")[0].query
    kept = json.loads((ground.folder / "manifest.json").read_text())["output"]
    assert {"type": "Medication", "url": "Medication.referred.ndjson", "count": 2} in kept


def test_references_that_the_server_did_not_let_us_read_are_looked_for_again(ground: Ground) -> None:
    """BULK-41, BULK-50: until then the type is partial."""
    order = {"resourceType": "MedicationRequest", "id": "m", "medicationReference": {"reference": "Medication/a"}}
    output = [{"type": "MedicationRequest", "url": f"{ground.hospital.base}/files/1", "count": 1}]
    ground.settings["retries"] = 0
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital) | {"output": output}))
    ground.hospital.on("GET", FILE, ndjson(order))
    ground.hospital.on("GET", "/fhir/metadata", as_json({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}))
    ground.hospital.on("GET", "/fhir/Medication", Reply(503))

    job = ground.run()

    assert (job.state, job.lost) == (JobState.WITH_ERRORS, ["Medication"])
    assert b"Medication: some that others refer to" in (ground.folder / "remarks.ndjson").read_bytes()
    found = {"resource": {"resourceType": "Medication", "id": "a"}, "search": {"mode": "match"}}
    ground.hospital.on("GET", "/fhir/Medication", as_json({"resourceType": "Bundle", "type": "searchset", "entry": [found]}))
    assert ground.run().state is JobState.COMPLETE
    assert len(ground.hospital.requests("GET", FILE)) == 1


def test_a_reference_is_found_however_its_line_is_written(ground: Ground) -> None:
    """BULK-41: slashes may be escaped, letters written as numbers."""
    order = json.dumps({"resourceType": "MedicationRequest", "id": "m", "x": {"reference": "Medication/a"}})
    written = order.replace("Medication/a", "Medication\\/\\u0061")
    output = [{"type": "MedicationRequest", "url": f"{ground.hospital.base}/files/1", "count": 1}]
    ground.hospital.on("GET", STATUS, as_json(manifest(ground.hospital) | {"output": output}))
    ground.hospital.on("GET", FILE, Reply(200, written.encode()))
    ground.hospital.on("GET", "/fhir/metadata", as_json({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}))
    ground.hospital.on("GET", "/fhir/Medication", as_json({"resourceType": "Bundle", "type": "searchset"}))

    job = ground.run()

    assert job.unresolved == {"Medication": 1}
