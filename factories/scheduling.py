from datetime import UTC, date, datetime, time

import factory

from apps.scheduling.models import DateOverride, TimeOff, WeeklyHours
from factories.base import TenantFactory
from factories.catalog import PractitionerFactory


class WeeklyHoursFactory(TenantFactory):
    practitioner = factory.SubFactory(PractitionerFactory, account=factory.SelfAttribute("..account"))
    weekday = 0
    start = time(9)
    end = time(17)

    class Meta:
        model = WeeklyHours


class DateOverrideFactory(TenantFactory):
    practitioner = factory.SubFactory(PractitionerFactory, account=factory.SelfAttribute("..account"))
    date = date(2027, 1, 4)
    windows: list[dict[str, str]] = []

    class Meta:
        model = DateOverride


class TimeOffFactory(TenantFactory):
    starts_at = datetime(2027, 1, 4, tzinfo=UTC)
    ends_at = datetime(2027, 1, 5, tzinfo=UTC)

    class Meta:
        model = TimeOff
