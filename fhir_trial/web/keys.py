"""``GET /.well-known/jwks.json``: our public keys, for servers that check our assertions (SMART-48)."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any, Final

from fhir_trial.web.blueprints import StrictBlueprint, fails_with
from fhir_trial.web.kept_schemas import KeysShown
from fhir_trial.web.refusals import NotPluggedInError
from fhir_trial.web.service import plugged

_PUBLIC: Final = frozenset({"kty", "n", "e", "crv", "x", "y", "kid", "use", "alg"})
_PUBLIC_OPERATIONS: Final = ["verify"]
_CACHE: Final = {"Cache-Control": "public, max-age=300"}

blueprint = StrictBlueprint("keys", __name__, description="Our public keys.")


@blueprint.get("/.well-known/jwks.json")
@blueprint.doc(security=[])
@blueprint.response(200, KeysShown)
@fails_with(blueprint, 400, 403, 500, 501)
def show_keys() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Our public keys, as a JSON Web Key Set.

    For servers that check our signatures; they may keep it for five minutes. Public members only: whatever else a key holds is
    left out, and a symmetric key whole.
    """
    source = plugged().keys
    if source is None:
        raise NotPluggedInError("No signing keys are configured, so there are none to publish.")
    keys = [key for key in source.jwks().get("keys", ()) if key.get("kty") in ("RSA", "EC")]
    return {"keys": [_public(key) for key in keys]}, 200, _CACHE


def _public(key: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in key.items() if name in _PUBLIC}
    return shown | {"key_ops": _PUBLIC_OPERATIONS} if "key_ops" in key else shown
