"""The JSON shape of a package's expiry (api.md, Shapes)."""

from typing import Any

from rest_framework import serializers

from apps.core.api.fields import DayField, StrictIntegerField
from apps.core.api.reading import InputSerializer

# A hundred years, whatever the unit: what is longer has no end.
MOST = {"days": 36_500, "weeks": 5_200, "months": 1_200, "years": 100}


class ExpirySerializer(InputSerializer):
    """``purchase``, ``first_scheduled`` and ``first_completed`` say from when ``amount`` ``unit`` count; ``date`` is a fixed last day.

    Valid through the end of the last local day; adding months and years stays within the month (31 January + 1 month = 28 February).
    """

    rule = serializers.ChoiceField(choices=["purchase", "first_scheduled", "first_completed", "date"], required=False)
    amount = StrictIntegerField(min_value=1, max_value=MOST["days"], required=False)
    unit = serializers.ChoiceField(choices=list(MOST), required=False)
    date = DayField(required=False, help_text="Only with rule date: the last day, inclusive.")

    def validate(self, expiry: dict[str, Any]) -> dict[str, Any]:
        if not expiry:
            return expiry
        needed = {"rule", "date"} if expiry.get("rule") == "date" else {"rule", "amount", "unit"}
        if missing := needed - expiry.keys():
            raise serializers.ValidationError(dict.fromkeys(sorted(missing), "This field is required."))
        if extra := expiry.keys() - needed:
            raise serializers.ValidationError(dict.fromkeys(sorted(extra), f"This does not go with the rule {expiry['rule']}."))
        if expiry["rule"] != "date" and expiry["amount"] > MOST[expiry["unit"]]:
            raise serializers.ValidationError({"amount": f"At most {MOST[expiry['unit']]} {expiry['unit']}."})
        return expiry
