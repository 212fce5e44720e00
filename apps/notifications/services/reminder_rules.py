"""Rules of reminders, and carrying a change of one over to the sessions ahead: in batches, each in its own transaction, resumable."""

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.models import Booking
from apps.catalog.models import Service
from apps.core import jobs
from apps.core.db import joined
from apps.core.events import acting, emit
from apps.core.tenancy import account_scope
from apps.notifications.models import Reminder, ReminderRule
from apps.notifications.reminding import REMINDED
from apps.notifications.services.reminders import plan_reminders

BATCH = 200
PLANNED_BY = ("minutes_before", "channels", "service", "is_active")


@joined
def create_rule(
    account: Account,
    *,
    minutes_before: int,
    channels: list[str],
    service: Service | None = None,
    is_active: bool = True,
    at: datetime | None = None,
) -> ReminderRule:
    """A new rule; the sessions ahead get its reminders from a job, except those that would have been due by now."""
    rule = ReminderRule.objects.create(
        account=account,
        minutes_before=minutes_before,
        channels=_in_order(channels),
        service=service,
        is_active=is_active,
        changed_at=at or timezone.now(),
        replanned_through=0,
    )
    emit("reminder_rule.created", rule, changes={name: [None, value] for name, value in _told(rule).items()})
    _replan(rule)
    return rule


@joined
def change_rule(rule: ReminderRule, *, at: datetime | None = None, **values: Any) -> ReminderRule:
    """Change ``minutes_before``, ``channels``, ``service`` or ``is_active``; the sessions ahead follow from a job.

    Reminders that were sent stay sent: of one start nobody is reminded twice by the same rule.
    """
    rule = ReminderRule.objects.select_for_update(of=("self",)).get(pk=rule.pk)
    before = _told(rule)
    for name, value in values.items():
        setattr(rule, name, _in_order(value) if name == "channels" else value)
    after = _told(rule)
    changes = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
    if not changes:
        return rule
    rule.changed_at = at or timezone.now()
    rule.generation, rule.replanned_through, rule.replanned = rule.generation + 1, 0, 0
    rule.save(update_fields=[*PLANNED_BY, "changed_at", "generation", "replanned_through", "replanned", "updated_at"])
    emit("reminder_rule.changed", rule, changes=changes)
    _replan(rule)
    return rule


@joined
def delete_rule(rule: ReminderRule) -> None:
    """Delete a rule that has reminded nobody and plans nothing. Raises RestrictedError for others: deactivate them."""
    emit("reminder_rule.deleted", rule, changes={name: [value, None] for name, value in _told(rule).items()})
    rule.delete()


def _in_order(channels: list[str]) -> list[str]:
    return sorted({str(channel) for channel in channels})


def _told(rule: ReminderRule) -> dict[str, Any]:
    return {
        "minutes_before": rule.minutes_before,
        "channels": list(rule.channels),
        "service": rule.service_id,
        "is_active": rule.is_active,
    }


def _replan(rule: ReminderRule) -> None:
    jobs.defer_many(replan, [{"account_id": rule.account_id, "rule_id": rule.pk, "generation": rule.generation}])


@jobs.task(name="notifications.replan_reminders", queue="core", retry=jobs.RETRY)
def replan(*, account_id: int, rule_id: int, generation: int) -> int:
    """Plan the reminders of the next sessions that a changed rule concerns, and queue the rest; returns how many were planned.

    A job that was cut off goes on behind the last batch; one whose rule was changed again meanwhile leaves the work to the newer one.
    """
    at = timezone.now()
    with account_scope(account_id):
        rule = ReminderRule.objects.filter(pk=rule_id, generation=generation, replanned_through__isnull=False).first()
        ids = _next(rule, at) if rule is not None else []
    if rule is None:
        return 0
    for booking_id in ids:
        with account_scope(account_id), acting(None, "job:reminders"):
            plan_reminders(booking_id, at=at)
    with account_scope(account_id):
        same = ReminderRule.objects.filter(pk=rule_id, generation=generation, replanned_through=rule.replanned_through)
        through = ids[-1] if len(ids) == BATCH else None
        if same.update(replanned_through=through, replanned=rule.replanned + len(ids)) and through is not None:
            _replan(rule)
    return len(ids)


def _next(rule: ReminderRule, at: datetime) -> list[int]:
    """The next sessions ahead to which the rule applies, or which it has reminders planned for."""
    ahead = Booking.objects.filter(pk__gt=rule.replanned_through, status__in=REMINDED, start_time__gt=at)
    planned = Reminder.objects.filter(rule=rule, state=Reminder.State.PLANNED).values("booking_id")
    if not rule.is_active:
        ahead = ahead.filter(pk__in=planned)
    elif rule.service_id is not None:
        ahead = ahead.filter(Q(service_id=rule.service_id) | Q(pk__in=planned))
    return list(ahead.order_by("pk").values_list("pk", flat=True)[:BATCH])
