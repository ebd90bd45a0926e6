"""Who sends a bearer token (SMART-33, SMART-34, SMART-36, SEC-16)."""

import base64
import hmac
import json
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from fhir_trial.web.refusals import NotSignedInError
from fhir_trial.web.tokens import ALGORITHMS, KeysOfIssuer, Signed, TokenCheck
from tests.unit.web.identities import AUDIENCE, EC256, EC384, ISSUER, NOW, OTHER, RSA, STRANGER, HeldKeys, claims, token


def check(keys: KeysOfIssuer | None = None, now: float = NOW) -> TokenCheck:
    return TokenCheck({ISSUER: keys or HeldKeys(), OTHER: HeldKeys(STRANGER)}, AUDIENCE, lambda: now)


def unsigned(header: dict[str, Any], content: dict[str, Any], signature: str = "") -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(content)}.{signature}"


@pytest.mark.parametrize(
    ("alg", "key", "kid"), [("RS256", RSA, "r1"), ("RS384", RSA, "r1"), ("ES256", EC256, "e1"), ("ES384", EC384, "e2")]
)
def test_a_token_of_a_configured_issuer_says_who_it_is(alg: str, key: Any, kid: str) -> None:
    # SMART-33
    assert check()(token(key=key, alg=alg, kid=kid)) == Signed(ISSUER, "u1")


def test_the_same_subject_of_two_issuers_is_two_users() -> None:
    """SEC-16, SMART-36."""
    here = check()(token())
    there = check()(token(claims(iss=OTHER), key=STRANGER))

    assert (here.subject, here != there) == (there.subject, True)


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["x", AUDIENCE]])
def test_the_audience_may_be_one_of_several(audience: Any) -> None:
    # SMART-33
    assert check()(token(claims(aud=audience))).subject == "u1"


@pytest.mark.parametrize("audience", ["x", AUDIENCE + "/", AUDIENCE.upper(), [], ["x"], AUDIENCE[:-1], {"a": AUDIENCE}, 1])
def test_another_audience_is_refused(audience: Any) -> None:
    # SMART-33
    with pytest.raises(NotSignedInError, match="another audience"):
        check()(token(claims(aud=audience)))


def test_a_token_without_an_audience_is_refused() -> None:
    with pytest.raises(NotSignedInError, match="audience"):
        check()(token(claims(aud=None)))


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({"exp": NOW - 59}, True), ({"exp": NOW - 60}, False), ({"exp": NOW - 61}, False), ({"exp": None}, False),
        ({"exp": True}, False), ({"exp": str(NOW + 300)}, False),
        ({"iat": NOW + 60}, True), ({"iat": NOW + 61}, False), ({"iat": None}, False),
        ({"nbf": NOW + 60}, True), ({"nbf": NOW + 61}, False), ({"nbf": "soon"}, False), ({"nbf": NOW - 900}, True),
    ],
)  # fmt: skip
def test_clocks_may_differ_by_a_minute_and_no_more(change: dict[str, Any], good: bool) -> None:
    # SMART-33
    if good:
        assert check()(token(claims(**change))).subject == "u1"
        return
    with pytest.raises(NotSignedInError):
        check()(token(claims(**change)))


def test_a_token_that_never_ends_is_refused() -> None:
    content = token().split(".")[1]
    whole = base64.urlsafe_b64decode(content + "==").decode().replace(str(NOW + 300), "1e999")
    forged = EC256
    from joserfc import jws

    signed = jws.serialize_compact({"alg": "ES256", "kid": "e1"}, whole, forged, algorithms=["ES256"])

    with pytest.raises(NotSignedInError):
        check()(signed)


@pytest.mark.parametrize("subject", [None, "", 7, "x" * 256, ["u1"]])
def test_a_token_without_a_subject_is_refused(subject: Any) -> None:
    with pytest.raises(NotSignedInError, match="subject"):
        check()(token(claims(sub=subject)))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "HS256", "HS384", "HS512", "PS256", "RS512", "ES512", "EdDSA", "", None]
)
def test_no_other_algorithm_is_taken(algorithm: str | None) -> None:
    """SMART-33: never none, never a shared secret."""
    with pytest.raises(NotSignedInError):
        check()(unsigned({"alg": algorithm, "kid": "e1"}, claims(), "AAAA"))
    assert algorithm not in ALGORITHMS


def test_a_public_key_taken_for_a_shared_secret_does_not_open() -> None:
    """The oldest trick: HS256 with the issuer's public key as the secret."""
    signed = unsigned({"alg": "HS256", "kid": "r1"}, claims()).removesuffix(".")
    proof = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
    forged = f"{signed}.{base64.urlsafe_b64encode(proof).rstrip(b'=').decode()}"

    with pytest.raises(NotSignedInError, match="signed otherwise"):
        check()(forged)


def test_a_key_in_the_header_is_not_believed() -> None:
    """Nor any address in it: the key comes from the configured issuer alone."""
    forged = token(key=STRANGER, jwk=STRANGER.as_dict(private=False))

    with pytest.raises(NotSignedInError):
        check()(forged)


def test_another_issuers_key_of_the_same_id_does_not_open() -> None:
    # SEC-16
    with pytest.raises(NotSignedInError, match="does not prove"):
        check()(token(key=STRANGER))


def test_an_issuer_that_is_not_configured_is_refused_before_any_key_is_asked_for() -> None:
    keys = HeldKeys()

    with pytest.raises(NotSignedInError, match="not configured"):
        check(keys)(token(claims(iss=ISSUER + "/")))
    assert keys.asked == []


@pytest.mark.parametrize("kid", ["unknown", None])
def test_a_key_that_the_issuer_does_not_publish_is_refused(kid: str | None) -> None:
    # SMART-34
    with pytest.raises(NotSignedInError, match="key"):
        check()(token(kid=kid))


@pytest.mark.parametrize("change", [{"use": "enc"}, {"alg": "ES384"}, {"kty": "oct"}, {"crv": "P-384"}])
def test_a_key_for_something_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(NotSignedInError):
        check(HeldKeys(**change))(token())


def test_a_short_key_is_refused() -> None:
    with warnings.catch_warnings(action="ignore"):
        short = RSAKey.generate_key(1024, {"kid": "r1"})
        signed = token(key=short, alg="RS256", kid="r1")

    with warnings.catch_warnings(action="ignore"), pytest.raises(NotSignedInError, match="too short"):
        check(HeldKeys(short))(signed)


def test_a_signature_changed_in_one_character_is_refused() -> None:
    good = token()
    head, content, signature = good.split(".")
    changed = ("A" if signature[0] != "A" else "B") + signature[1:]

    with pytest.raises(NotSignedInError, match="does not prove"):
        check()(f"{head}.{content}.{changed}")


@pytest.mark.parametrize("kind", ["jose", "logout+jwt", 7])
def test_another_type_of_token_is_refused(kind: Any) -> None:
    with pytest.raises(NotSignedInError):
        check()(unsigned({"alg": "ES256", "kid": "e1", "typ": kind}, claims(), "AAAA"))


def test_a_header_that_demands_what_we_do_not_know_is_refused() -> None:
    """RFC 7515 section 4.1.11."""
    with pytest.raises(NotSignedInError):
        check()(unsigned({"alg": "ES256", "kid": "e1", "crit": ["x"], "x": 1}, claims(), "AAAA"))


@pytest.mark.parametrize("payload", ["[" * 4000, "[]", "null", '"x"', "{", '{"iss": 1}', '{"iss": []}'])
def test_a_payload_of_another_shape_is_refused(payload: str) -> None:
    # SEC-22
    head, _, signature = token().split(".")
    content = base64.urlsafe_b64encode(payload.encode()).rstrip(b"=").decode()

    with pytest.raises(NotSignedInError):
        check()(f"{head}.{content}.{signature}")


def test_a_token_of_unbounded_length_is_refused() -> None:
    # SEC-22
    with pytest.raises(NotSignedInError, match="too long"):
        check()("x" * 8193)


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda piece: base64.urlsafe_b64encode(piece).decode() + ".e30."))
def test_whatever_is_sent_is_refused_without_an_accident(text: str) -> None:
    with pytest.raises(NotSignedInError) as refused:
        check()(text)

    assert len(text) < 6 or text not in refused.value.message
