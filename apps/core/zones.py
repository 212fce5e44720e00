"""Names of time zones."""

import zoneinfo
from functools import lru_cache

from django.core.exceptions import ValidationError


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """IANA names a zone field accepts."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


def validate_zone(name: str) -> None:
    """Raises ValidationError for a name that is not an IANA time zone."""
    if name not in zone_names():
        raise ValidationError("This is not an IANA time zone name, for example Europe/Berlin.", code="unknown_zone")
