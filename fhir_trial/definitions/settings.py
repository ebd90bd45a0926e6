"""Named settings of a trial: declared with their default in its file, overridden by a site, overridden by the caller (VER-18)."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from fhir_trial.definitions.yaml_source import nearest

Value = str | int


class BadSettingError(ValueError):
    """A setting's name or value is wrong; the sentence lists the right ones."""


def resolve_settings(declared: Mapping[str, Mapping[str, Any]], *given: Mapping[str, Value]) -> dict[str, Value]:
    """Every declared setting with its value; later mappings win.

    Raises:
        BadSettingError: An unknown name, or a value that the declaration does not allow.
    """
    values: dict[str, Value] = {name: setting["default"] for name, setting in declared.items()}
    for mapping in given:
        for name, value in mapping.items():
            if name not in declared:
                raise BadSettingError(f"Unknown setting '{name}'.{_right_names(name, declared)}")
            values[name] = checked_value(name, declared[name], value)
    return values


def _right_names(name: str, declared: Mapping[str, Any]) -> str:
    """The nearest right name and all of them (VER-18)."""
    if not declared:
        return " This trial has no settings."
    near = get_close_matches(name, declared, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"{hint} Expected one of: {', '.join(declared)}."


def checked_value(name: str, setting: Mapping[str, Any], value: Value) -> Value:
    """The value in the setting's own type."""
    choices = setting.get("one_of")
    if choices is not None:
        for choice in choices:
            if str(choice) == str(value):
                return choice  # type: ignore[no-any-return]
        raise BadSettingError(f"'{value}' is no value of setting '{name}'. Expected one of: {', '.join(map(str, choices))}.")
    if isinstance(setting["default"], int):
        return _whole_number(name, setting, value)
    return str(value)


def _whole_number(name: str, setting: Mapping[str, Any], value: Value) -> int:
    low, high = setting.get("at_least", 0), setting.get("at_most")
    wanted = f"a whole number from {low}" + (f" to {high}" if high is not None else " up")
    try:
        number = int(str(value))
    except ValueError:
        raise BadSettingError(f"'{value}' is no value of setting '{name}'. Expected {wanted}.") from None
    if number < low or (high is not None and number > high):
        raise BadSettingError(f"'{value}' is no value of setting '{name}'. Expected {wanted}.")
    return number


def with_settings(written: Any, values: Mapping[str, Value]) -> Any:
    """The content of a rule with each ``$name`` replaced by the setting's value."""
    if isinstance(written, dict):
        return {key: with_settings(value, values) for key, value in written.items()}
    if isinstance(written, list):
        return [with_settings(value, values) for value in written]
    if isinstance(written, str) and written.startswith("$"):
        name = written[1:]
        if name not in values:
            raise BadSettingError(f"Unknown setting '{name}'.{nearest(name, list(values))}")
        return values[name]
    return written
