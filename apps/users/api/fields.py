"""Related fields that many resources share."""

from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from apps.location.models import Country
from apps.users.models import Customer
from apps.users.selectors import customer_with_code


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


class ReferralCodeField(serializers.CharField):
    """Somebody's referral code, however it is typed; becomes the person who has it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=16, **kwargs)

    def run_validation(self, data: Any = empty) -> Customer | None:
        """The text is checked as text; only then it stands for a person."""
        code = super().run_validation(data)
        found = customer_with_code(code) if code is not None else None
        if code is not None and found is None:
            raise serializers.ValidationError("There is no such referral code.", code="does_not_exist")
        return found
