"""Related fields that many resources share."""

from typing import Any

from rest_framework import serializers

from apps.location.models import Country


class CountryField(serializers.PrimaryKeyRelatedField):
    """A country by its ISO 3166-1 code in capitals."""

    def __init__(self, **kwargs: Any) -> None:
        if not kwargs.get("read_only"):
            kwargs.setdefault("queryset", Country.objects.all())
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Country:
        if not isinstance(data, str):
            self.fail("incorrect_type", data_type=type(data).__name__)
        return super().to_internal_value(data)
