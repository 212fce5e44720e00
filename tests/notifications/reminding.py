"""A studio whose clients are reminded, and what its reminders came to."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import time_machine
from django.db import transaction

from apps.bookings.models import Booking
from apps.core.tenancy import account_scope
from apps.notifications.models import Delivery, Notification, Reminder, ReminderRule
from apps.notifications.services.reminder_rules import create_rule
from apps.notifications.services.reminders import plan_reminders, send_reminder
from apps.notifications.tasks_reminders import send_due_reminders
from factories.users import CustomerFactory
from tests.studio import MONDAY_TEN, NOW, Studio

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
A_DAY_BEFORE = MONDAY_TEN - DAY


def rule(
    studio: Studio, minutes: int = 1440, channels: tuple[str, ...] = ("email",), *, at: datetime = NOW - DAY, **options: Any
) -> ReminderRule:
    """A rule that was there before the sale."""
    with account_scope(studio.account), transaction.atomic():
        return create_rule(studio.account, minutes_before=minutes, channels=list(channels), at=at, **options)


def reachable(studio: Studio) -> None:
    """The client gets a login with an address."""
    with account_scope(studio.account):
        studio.client.customer = CustomerFactory()
        studio.client.save(update_fields=["customer"])


def at_time(moment: datetime, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call something while the clock stands at this moment."""
    with time_machine.travel(moment, tick=False):
        return call(*args, **options)


def plan(studio: Studio, booking: Booking, at: datetime = NOW) -> None:
    """What the event's handler does, whenever it comes to run."""
    with account_scope(studio.account), transaction.atomic(), time_machine.travel(at, tick=False):
        plan_reminders(booking.pk)


def tick(studio: Studio, at: datetime) -> list[str]:
    """A minute of the sender: what is due at this moment is claimed and sent; returns the states it came to."""
    with time_machine.travel(at, tick=False):
        send_due_reminders(0)
        with account_scope(studio.account):
            claimed = list(Reminder.objects.filter(claimed_at=at, state="planned").order_by("pk").values_list("pk", flat=True))
        states = []
        for pk in claimed:
            with account_scope(studio.account), transaction.atomic():
                states.append(str(send_reminder(pk)))
        return states


def reminders(studio: Studio, **where: Any) -> list[tuple[Any, ...]]:
    """(version, minutes before, channel, state, reason) of all reminders, in order."""
    with account_scope(studio.account):
        rows = Reminder.objects.filter(**where).order_by("version", "-rule__minutes_before", "channel")
        return list(rows.values_list("version", "rule__minutes_before", "channel", "state", "reason"))


def sent(studio: Studio) -> list[Reminder]:
    with account_scope(studio.account):
        return list(Reminder.objects.filter(state="sent").select_related("booking", "rule").order_by("sent_at", "pk"))


def messages(studio: Studio) -> tuple[int, int]:
    """(notifications, deliveries) that were written about reminders."""
    with account_scope(studio.account):
        kinds = {"kind": "booking_reminder"}
        return Notification.objects.filter(**kinds).count(), Delivery.objects.filter(**kinds).count()
