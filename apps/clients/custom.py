"""The custom fields an account has declared: checking values, and reading them from the cells of a table.

Keys that nobody declared pass as they are: they are the account's own notes to itself.
"""

import math
from collections.abc import Iterable
from typing import Any

from apps.clients.models import CustomField
from apps.core.errors import Invalid
from apps.core.parsing import parse_day

Kind = CustomField.Kind
MAX_TEXT = 2_000
MAX_NUMBER = 10**15
YES, NO = ("true", "yes", "1", "ja", "sí", "si", "x"), ("false", "no", "0", "nein", "")
EMPTY: tuple[Any, ...] = (None, "", [])


class _Wrong(ValueError):
    """A value that is not of its field's kind; the message is for a person."""


def declared_fields() -> list[CustomField]:
    """The active fields of the account whose scope is open, in their order."""
    return list(CustomField.objects.filter(is_active=True).order_by("position", "pk"))


def checked(values: dict[str, Any], declared: Iterable[CustomField], *, complete: bool = False) -> dict[str, Any]:
    """The values in the spelling that is stored. ``complete``: required fields must have one.

    Raises Invalid with ``custom_fields.<key>`` for each value that is not of its kind, or missing.
    """
    made, wrong = dict(values), {}
    for field in declared:
        if made.get(field.key) in EMPTY:
            if complete and field.is_required:
                wrong[f"custom_fields.{field.key}"] = ["This field is required."]
            continue
        try:
            made[field.key] = _of_kind(field, made[field.key])
        except _Wrong as error:
            wrong[f"custom_fields.{field.key}"] = [str(error)]
    if wrong:
        raise Invalid(fields=wrong)
    return made


def read_cell(field: CustomField, text: str) -> Any:
    """The value that a cell of a table means, to be ``checked`` like any other. What cannot be read stays a text, and is refused there."""
    text = text.strip()
    if not text:
        return None
    if field.kind in (Kind.NUMBER, Kind.INTEGER):
        return _number(text)
    if field.kind == Kind.BOOLEAN:
        return True if text.lower() in YES else False if text.lower() in NO else text
    if field.kind == Kind.CHOICES:
        return [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
    return text


def _number(text: str) -> Any:
    plain = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    for convert in (int, float):
        try:
            return convert(plain) if plain.isascii() and "_" not in plain else text
        except ValueError:
            continue
    return text


def _of_kind(field: CustomField, value: Any) -> Any:
    if field.kind == Kind.BOOLEAN:
        if not isinstance(value, bool):
            raise _Wrong("Send true or false.")
        return value
    if field.kind in (Kind.NUMBER, Kind.INTEGER):
        return _numeric(field, value)
    if field.kind == Kind.CHOICES:
        if not isinstance(value, list) or any(one not in field.options for one in value):
            raise _Wrong(f"Send a list of: {', '.join(field.options)}.")
        return [option for option in field.options if option in value]
    if not isinstance(value, str):
        raise _Wrong("Send a text.")
    if field.kind == Kind.CHOICE and value not in field.options:
        raise _Wrong(f"Send one of: {', '.join(field.options)}.")
    if field.kind == Kind.DATE:
        try:
            return parse_day(value).isoformat()
        except ValueError as error:
            raise _Wrong(str(error)) from error
    if len(value) > MAX_TEXT:
        raise _Wrong(f"At most {MAX_TEXT} characters.")
    return value


def _numeric(field: CustomField, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > MAX_NUMBER:
        raise _Wrong("Send a number.")
    if field.kind == Kind.INTEGER:
        if value != int(value):
            raise _Wrong("Send a whole number.")
        return int(value)
    return value
