"""Reading a request strictly (SEC-22).

JSON: UTF-8, no member given twice, no NaN, no half of a character, no bottomless nesting.
Query: nothing unknown, nothing given twice.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from flask import Request, abort
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser


class StrictParser(FlaskParser):
    """What is no JSON is answered 400; what is JSON, or a query, of the wrong shape, 422."""

    DEFAULT_UNKNOWN_BY_LOCATION = FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION | {"query": RAISE}

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        repeated = {name: ["Given twice."] for name, values in req.args.lists() if len(values) > 1}
        if repeated:
            raise ValidationError(repeated)
        return super().load_querystring(req, schema)

    def _raw_load_json(self, req: Request) -> Any:
        try:
            found = json.loads(req.get_data(cache=False).decode(), object_pairs_hook=_no_repeats, parse_constant=_no_number)
            json.dumps(found, ensure_ascii=False).encode()  # fails for half of a character, which nobody can store
            return found
        except (ValueError, RecursionError):
            abort(400, "The body is no JSON object, or gives a member twice.")


def _no_repeats(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in members}) < len(members):
        raise ValueError
    return dict(members)


def _no_number(_: str) -> NoReturn:
    raise ValueError
