"""JSON in and out without a float: 8.10 arrives as Decimal("8.10") and leaves as 8.10 (DATA-28)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

Json = dict[str, Any]

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode_json(content: bytes) -> Any:
    """Any JSON value; ValueError with no piece of the content in its words."""
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation):
        raise ValueError("not JSON") from None


def encode_json(value: Any) -> bytes:
    """JSON bytes; a Decimal as the number it is."""
    return _ENCODER.encode(value)
