"""Any export, however its lines lie in files: all at once gives what one patient at a time gets (BULK-34 to BULK-40)."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_trial.population import blocks, folder
from tests.unit.population.hospitals import RAW, agreed, deletions, lines, lupus, outcome, patient, platelets

_NAMES = ("p1", "p2", "p3", "absent")
_SPELLINGS = (
    "Patient/{}",
    "Patient/{}",
    "Patient/{}/_history/2",
    "https://ehr.example.invalid/fhir/Patient/{}",
    "http://elsewhere.example.invalid/Patient/{}/_history/9",
    "urn:uuid:{}",
    " Patient/{} ",
    "{}",
    "Group/{}",
    "Patient/{}/",
    "https://ehr.example.invalid/fhir/Patient/{}/",
    "",
    "#{}",
)
_META = st.sampled_from([{}, {"versionId": "1"}, {"versionId": "2"}, {"versionId": "2", "lastUpdated": "2026-01-01T00:00:00Z"}])
_SUBJECTS = st.builds(lambda spelling, name: spelling.format(name), st.sampled_from(_SPELLINGS), st.sampled_from(_NAMES))
_IDS = st.sampled_from(["a", "b", "c", "d"])
_TEXTS = st.sampled_from(
    ["systemic lupus", "no lupus", "Lupus\u2028 nephritis", "\u7cfb\u7edf\u6027\u7ea2\u6591\u72fc\u75ae", "M\u00fcller"]
)

_PATIENTS = st.builds(lambda name, meta: patient(name, meta=meta), st.sampled_from(_NAMES[:3]), _META)
_CONDITIONS = st.builds(lambda name, subject, meta: lupus(name, subject, meta=meta), _IDS, _SUBJECTS, _META)
_WORDED = st.builds(lambda name, subject, text: lupus(name, subject, code={"text": text}), _IDS, _SUBJECTS, _TEXTS)
_RESULTS = st.builds(
    lambda name, subject, value, meta: platelets(name, subject, str(value), meta=meta), _IDS, _SUBJECTS, st.integers(1, 3), _META
)
_MEDICATIONS = st.builds(
    lambda name, text, meta: {"resourceType": "Medication", "id": name, "code": {"text": text}, "meta": meta},
    _IDS,
    st.sampled_from(["prednisone 5 mg tablet", "rituximab 500 mg"]),
    _META,
)
_REQUESTS = st.builds(
    lambda name, subject, target: {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "active",
        "intent": "order",
        "subject": {"reference": subject},
        "authoredOn": "2026-02-20",
        "medicationReference": {"reference": f"Medication/{target}"},
    },
    _IDS,
    _SUBJECTS,
    _IDS,
)
_REMARKS = st.sampled_from(
    [
        outcome("Observation could not be exported"),
        outcome("Something went wrong"),
        outcome("Patient/p2: Condition failed"),
        outcome("Patient/p1 is hidden", code="security"),
        deletions("Condition/a", "Observation/b"),
        deletions("Patient/p1"),
        {"resourceType": "Bundle", "type": "collection"},
        {"eventId": "download_error", "exportId": "x"},
        {"eventId": "status_progress", "exportId": "x"},
        {"transactionTime": "x", "output": [{"type": "Observation", "count": 2}]},
        {"resourceType": "Unheard", "id": "u", "subject": {"reference": "Patient/p1"}},
        {"resourceType": "Claim", "id": "k", "patient": {"reference": "Patient/p1"}},
        {"resourceType": 7, "id": "u"},
        {"no": "type"},
    ]
)
_BROKEN = st.sampled_from(
    [
        b"",
        b" \t ",
        b"\r",
        b"[]",
        b"null",
        b"\x00\x00",
        b'{"resourceType":"Condition","subject":{"reference":"Patient/p1"',
        b'{"resourceType": "Observation", "val',
        b'{"resourceType":"Observation","id":"z","subject":{"reference":"Patient/p2"},"note":"\xff"}',
        b'{"resourceType":"Patient","resourceType":"Condition","id":"a","subject":{"reference":"Patient/p1"},"subject":null}',
        b'{"resourceType":"Condition","id":"e","subject":[{"reference":"Patient/p3"}],"code":{"text":"SLE"}}',
        b'{"resourceType":"Condition","id":"e","subject":{"reference":7},"code":{"text":"SLE"}}',
        b'{"\\u0072esourceType":"Condit\\u0069on","id":"f","subject":{"reference":"Patient\\/p3"},"code":{"text":"SL\\u0045"}}',
        b'{"resourceType":"Patient","gender":"male"}',
    ]
)
_LINES = st.lists(_PATIENTS | _CONDITIONS | _WORDED | _RESULTS | _MEDICATIONS | _REQUESTS | _REMARKS | _BROKEN, max_size=14)
_FILES = st.dictionaries(
    st.sampled_from(["Patient", "Condition", "Observation.000", "part-1", "b/part-2"]), _LINES, min_size=1, max_size=3
)
_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))


def written(here: Path, name: str, content: list[RAW], *, is_packed: bool, mark: bytes, last_end: bool) -> None:
    path = here / f"{name}.ndjson{'.gz' if is_packed else ''}"
    path.parent.mkdir(exist_ok=True)
    raw = mark + lines(*content)
    raw = raw if last_end else raw.removesuffix(b"\n")
    path.write_bytes(gzip.compress(raw) if is_packed else raw)


@settings(max_examples=_EXAMPLES, deadline=None)
@given(
    files=_FILES,
    block=st.sampled_from([16, 100, 1000, 1 << 20]),
    part=st.sampled_from([50, 333, 1 << 20]),
    is_packed=st.booleans(),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    last_end=st.booleans(),
    complete=st.booleans(),
)
def test_any_export_gives_the_same_answers_both_ways(
    files: dict[str, list[RAW]], block: int, part: int, is_packed: bool, mark: bytes, last_end: bool, complete: bool
) -> None:
    with TemporaryDirectory() as made, patch.object(blocks.blocks, "__defaults__", (block,)):
        for name, content in files.items():
            written(Path(made), name, content, is_packed=is_packed, mark=mark, last_end=last_end)
        (Path(made) / "log.json").write_text(json.dumps({"eventId": "kickoff", "exportId": "x"}))
        with patch.object(folder.parts, "__defaults__", (part,)):
            agreed(Path(made), complete=complete)
