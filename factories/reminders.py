from datetime import UTC, datetime

import factory

from apps.notifications.models import Channel, Reminder, ReminderRule
from factories.base import TenantFactory
from factories.bookings import BookingFactory


class ReminderRuleFactory(TenantFactory):
    """Some time before, by mail; nothing is planned by it."""

    minutes_before = factory.Sequence(lambda n: 60 + n % 80_000)
    channels = factory.List([Channel.EMAIL])
    changed_at = datetime(2026, 1, 1, tzinfo=UTC)

    class Meta:
        model = ReminderRule


class ReminderFactory(TenantFactory):
    """A planned reminder of a session far away."""

    booking = factory.SubFactory(BookingFactory, account=factory.SelfAttribute("..account"))
    version = factory.SelfAttribute("booking.version")
    rule = factory.SubFactory(ReminderRuleFactory, account=factory.SelfAttribute("..account"))
    channel = Channel.EMAIL
    start_time = datetime(2090, 1, 2, 10, tzinfo=UTC)
    due_at = datetime(2090, 1, 1, 10, tzinfo=UTC)

    class Meta:
        model = Reminder
