"""The Java parts themselves: they answer, and never outlive the tests that started them."""

from __future__ import annotations

import shutil

import pytest

from fhir_trial.transport import FhirServer, NotAuthorisedError, NotFoundError
from tests.servers.java_program import JavaProgram, jar_of
from tests.servers.peers import LockedSandboxPeer, Peer
from tests.servers.validator import running_validator

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.mark.xdist_group("validator")
def test_a_program_ends_when_its_input_closes() -> None:
    """Even if the test that started it is killed: then the pipe closes by itself."""
    with JavaProgram(jar_of("validator", "The validator"), ["r4", "/dev/null"], limit=60) as program:
        program.tell('{"resourceType": "Basic", "code": {"text": "x"}}')
        assert program.line() == '{"issues":[]}'

        assert program.hang_up() == 0


@pytest.mark.xdist_group("validator")
def test_a_program_that_does_not_start_says_why() -> None:
    with (
        JavaProgram(jar_of("validator", "The validator"), ["r3", "/dev/null"], limit=60) as program,
        pytest.raises(EOFError, match="r4 or r5"),
    ):
        program.line()


@pytest.mark.xdist_group("validator")
def test_a_filter_that_is_written_wrong_stops_the_validator(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A line that is ignored would let errors pass, or invent some."""
    wrong = tmp_path_factory.mktemp("filter") / "filter.tsv"
    wrong.write_text("ignore\tSome_Message\n")
    monkeypatch.setattr("tests.servers.validator._FILTER", wrong)

    with running_validator("r4") as validator, pytest.raises(EOFError, match="A line of the filter"):
        validator.issues({"resourceType": "Basic"})


def test_where_there_is_no_java_the_skip_names_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    for folder, called in (("hapi", "HAPI FHIR"), ("validator", "The validator")):
        with pytest.raises(pytest.skip.Exception, match=f"{called} needs Java 17"):
            jar_of(folder, called)


def test_what_is_not_built_is_named_with_the_way_to_build_it() -> None:
    if shutil.which("java") is None:
        pytest.skip("Java 17 is not installed.")

    with pytest.raises(pytest.skip.Exception, match="HAPI FHIR is not built: make java"):
        jar_of("nowhere", "HAPI FHIR")


def test_a_server_listens_on_loopback_only_and_is_empty_after_a_reset(peer: Peer, server: FhirServer) -> None:
    assert peer.base_url.startswith("http://127.0.0.1:")
    server.place({"resourceType": "Patient", "id": "ann"})

    peer.reset()

    with pytest.raises(NotFoundError):
        server.read("Patient/ann")
    assert server.search("Patient", []).matches == ()
    assert server.place({"resourceType": "Patient", "id": "ann"}).version == "1"


def test_behind_smart_nothing_is_shown_to_who_has_no_token(peer: Peer) -> None:
    """SMART-30: so that the tests that pass there have shown one."""
    with FhirServer(peer.base_url) as stranger:
        if not isinstance(peer, LockedSandboxPeer):
            assert stranger.search("Patient", []).matches == ()
            return
        with pytest.raises(NotAuthorisedError):
            stranger.search("Patient", [])
