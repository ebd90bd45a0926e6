"""Clients of a sandbox: their keys, and what is told of them."""

import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from fhir_trial.errors import UsageError
from fhir_trial.sandbox.clients import LOADER, SandboxClient, register


@pytest.mark.parametrize(("algorithm", "members"), [("ES384", {"crv", "x", "y"}), ("RS384", {"n", "e"})])
def test_a_key_is_made_once_and_only_its_public_members_are_told(tmp_path: Path, algorithm: str, members: set[str]) -> None:
    # SMART-47
    client = SandboxClient("c", algorithm=algorithm)

    (first,), (second,) = register([client], tmp_path), register([client], tmp_path)

    assert first == second
    assert first.key_file.stat().st_mode & 0o777 == 0o600
    assert set(first.public) == {"kty", "kid", "use", "alg", "key_ops", *members}
    assert first.public["kid"] == first.access("t").services().kid
    assert json.loads(json.dumps(first.entry()))["jwks"]["keys"] == [first.public]


def test_what_a_client_must_know_names_its_key_file_and_not_the_key(tmp_path: Path) -> None:
    (registered,) = register([SandboxClient()], tmp_path)

    access = registered.access("http://127.0.0.1:1/auth/token")

    assert (access.client_id, access.algorithm, access.token_url) == ("fhir-trial", "ES384", "http://127.0.0.1:1/auth/token")
    assert access.key_file == tmp_path.resolve() / "fhir-trial.pem"
    assert "PRIVATE" not in repr(registered)
    assert "PRIVATE" not in repr(access)


@pytest.mark.parametrize("name", ["", "a b", "../up", "a/b", 'a"b'])
def test_an_id_that_could_not_name_a_file_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="id of a sandbox client"):
        SandboxClient(name)


def test_another_algorithm_is_refused() -> None:
    # SMART-47
    with pytest.raises(UsageError, match="ES384 or RS384"):
        SandboxClient(algorithm="HS256")


def test_two_clients_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="same id"):
        register([SandboxClient(LOADER.client_id), LOADER], tmp_path)


def test_a_key_file_that_does_not_fit_is_told_without_its_content(tmp_path: Path) -> None:
    small, public, words = (tmp_path / name for name in ("small.pem", "public.pem", "words.pem"))
    for path in (small, public, words):
        path.touch(0o600)
    small.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    public.write_bytes(ECKey.generate_key("P-384").as_pem(private=False))
    words.write_text("-----BEGIN PRIVATE KEY-----\nsecretwords\n-----END PRIVATE KEY-----\n")

    for path, algorithm in (
        (small, "ES384"),
        (public, "ES384"),
        (words, "ES384"),
        (small, "RS384"),
        (tmp_path / "none", "ES384"),
    ):
        with pytest.raises(UsageError) as refused:
            register([SandboxClient(key_file=path, algorithm=algorithm)], tmp_path)
        assert "secretwords" not in str(refused.value)
