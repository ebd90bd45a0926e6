"""Logs: JSON lines on standard error, of an allow-list of fields, none of which can hold a word of a patient (SEC-27)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog

_FIELDS = frozenset({"event", "level", "timestamp", "request", "method", "route", "status", "ms", "error", "issue", "where"})
_LIBRARIES = ("werkzeug", "urllib3", "requests")


def configure_logs(level: str) -> None:
    """Sets structlog up for this process, and quietens libraries that log addresses."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def only_allowed(_logger: Any, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Drops every field that is not on the list, whoever logged it."""
    return {key: value for key, value in event.items() if key in _FIELDS}
