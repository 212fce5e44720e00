"""Serializer fields that take one spelling of a value and refuse the rest, instead of guessing what was meant."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from django.db.models import TextField, Transform
from phonenumber_field.modelfields import PhoneNumberField
from phonenumber_field.serializerfields import PhoneNumberField as PhoneNumberSerializerField
from rest_framework import serializers

from apps.core.parsing import parse_day, parse_instant, parse_integer

WALL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class StrictIntegerField(serializers.IntegerField):
    """An integer: no booleans, no fractions, no exponents, no digits of other scripts, at most 64 bits."""

    def to_internal_value(self, data: Any) -> int:
        try:
            return parse_integer(data)
        except ValueError:
            self.fail("invalid")


class InstantField(serializers.DateTimeField):
    """A point in time with its offset; becomes aware UTC."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return parse_instant(value)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid") from error


class DayField(serializers.DateField):
    """A local date, YYYY-MM-DD."""

    def to_internal_value(self, value: Any) -> date:
        try:
            return parse_day(value)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid") from error


class WallTimeField(serializers.TimeField):
    """A local time of day, HH:MM from 00:00 to 23:59."""

    default_error_messages = {"invalid": "Send a local time as HH:MM, from 00:00 to 23:59."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"format": "%H:%M", **kwargs})

    def to_internal_value(self, value: Any) -> time:
        if not isinstance(value, str) or not WALL_TIME.fullmatch(value):
            self.fail("invalid")
        return time.fromisoformat(value)


@PhoneNumberField.register_lookup
class StoredText(Transform):
    """``phone_number__text``: the column as it is stored (E.164), without parsing every number that is read."""

    lookup_name = "text"
    template = "%(expressions)s"
    output_field = TextField()


class PhoneField(PhoneNumberSerializerField):
    """A phone number with its country code, kept and shown as E.164 (+4930123456)."""

    default_error_messages = {"invalid": "Send a valid phone number with its country code, for example +4930123456."}
    column_suffix = "__text"

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ShapedField(serializers.Field):
    """A JSON column: ``shape`` is the serializer its value (with ``many`` a list of at most ``max_length``) must follow.

    What is stored is what the shape makes of the input, so nothing unknown gets into the table.
    """

    def __init__(self, shape: type[serializers.Serializer], *, many: bool = False, max_length: int | None = None, **kwargs: Any) -> None:
        self.shape, self.many, self.max_length = shape, many, max_length
        super().__init__(**kwargs)

    @property
    def schema(self) -> serializers.BaseSerializer:
        """What OpenAPI shows."""
        return self.shape(**self._options())

    def _options(self) -> dict[str, Any]:
        return {"many": True, "max_length": self.max_length} if self.many else {}

    def to_internal_value(self, data: Any) -> Any:
        inner = self.shape(data=data, context=self.context, **self._options())
        inner.is_valid(raise_exception=True)
        validated = inner.validated_data
        return [stored(inner.child, one) for one in validated] if self.many else stored(inner, validated)  # type: ignore[attr-defined]

    def to_representation(self, value: Any) -> Any:
        return value


def stored(shape: Any, validated: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values of what a shape has validated; keys that were left out stay out."""
    made: dict[str, Any] = {}
    for name, value in validated.items():
        field = shape.fields[name]
        if value is None:
            made[name] = None
        elif isinstance(field, serializers.ListSerializer):
            made[name] = [stored(field.child, one) for one in value]
        elif isinstance(field, serializers.Serializer):
            made[name] = stored(field, value)
        else:
            made[name] = field.to_representation(value)
    return made


class OneLineField(serializers.CharField):
    """Text without control characters: it goes into headers of mails."""

    default_error_messages = {"control_characters": "Control characters are not allowed."}

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if any(unicodedata.category(c) == "Cc" for c in text):
            self.fail("control_characters")
        return text
