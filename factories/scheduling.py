from datetime import UTC, date, datetime, time

import factory

from apps.core.vault import lock_away
from apps.scheduling.models import DateOverride, ExternalBusy, ExternalCalendar, TimeOff, WeeklyHours
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


class ExternalCalendarFactory(TenantFactory):
    """A calendar that was read, with no busy times."""

    practitioner = factory.SubFactory(PractitionerFactory, account=factory.SelfAttribute("..account"))
    label = "Private"
    url_box = factory.LazyFunction(lambda: lock_away({"url": "https://calendar.example/private.ics"}))
    host = "calendar.example"
    last_fetched_at = last_success_at = last_read_at = datetime(2026, 11, 21, 7, 55, tzinfo=UTC)
    read_zone = factory.SelfAttribute("practitioner.timezone")

    class Meta:
        model = ExternalCalendar


class ExternalBusyFactory(TenantFactory):
    calendar = factory.SubFactory(ExternalCalendarFactory, account=factory.SelfAttribute("..account"), busy_count=1)
    practitioner = factory.SelfAttribute("calendar.practitioner")
    starts_at = datetime(2027, 1, 4, 10, tzinfo=UTC)
    ends_at = datetime(2027, 1, 4, 11, tzinfo=UTC)

    class Meta:
        model = ExternalBusy
