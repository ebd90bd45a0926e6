"""Reading a request's JSON strictly: UTF-8, no member given twice, no NaN, no bottomless nesting (SEC-22)."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from flask import Request, abort
from webargs.flaskparser import FlaskParser


class StrictParser(FlaskParser):
    """What is no JSON is answered 400; what is JSON of the wrong shape, 422."""

    def _raw_load_json(self, req: Request) -> Any:
        try:
            return json.loads(req.get_data(cache=False).decode(), object_pairs_hook=_no_repeats, parse_constant=_no_number)
        except (ValueError, RecursionError):
            abort(400, "The body is no JSON object, or gives a member twice.")


def _no_repeats(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in members}) < len(members):
        raise ValueError
    return dict(members)


def _no_number(_: str) -> NoReturn:
    raise ValueError
