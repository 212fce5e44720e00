"""Reminders: planned when a session gets or changes its time, looked at again when they are due, sent only if all still holds.

A plan follows from the session, the rules and the quiet hours alone. So it is made anew after every change, by whoever comes first: the
event's handler, the job of a changed rule, or the sender that finds a session in another version than the one it was to remind of.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.calendar import calendar_of
from apps.bookings.models import Booking
from apps.core.db import joined
from apps.core.models import Event
from apps.notifications.catalogue import TO_CLIENTS
from apps.notifications.facts import of_booking
from apps.notifications.models import Channel, Reminder, ReminderRule
from apps.notifications.quiet import quiet_hours
from apps.notifications.recipients import Recipient, client_reader
from apps.notifications.reminding import KEY, REMINDED, why_not
from apps.notifications.services.telling import tell

State, Reason = Reminder.State, Reminder.Reason

PUNCTUAL = timedelta(minutes=15)
"""A reminder that is later than this was late: it keeps to the quiet hours of the moment at which it is sent."""
CLAIMED_FOR = timedelta(minutes=10)
"""A claimed reminder whose job left no trace by then is queued again."""
RECONSIDERED = (Reason.PAST, Reason.RULE_CHANGED)


# -- planning


@joined
def plan_reminders(booking_id: int, *, at: datetime | None = None) -> None:
    """Bring the reminders of a session in line with its time, its state and the rules. May be repeated at any moment, in any order.

    Locks the session, then its reminders.
    """
    booking = _lock(booking_id)
    if booking is not None:
        _plan(booking, at or timezone.now())


def _lock(booking_id: int) -> Booking | None:
    rows = Booking.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("account", "client__customer__user", "service", "practitioner", "order").filter(pk=booking_id).first()


def _plan(booking: Booking, at: datetime) -> None:
    is_ahead = booking.status in REMINDED and booking.start_time is not None and booking.start_time > at
    known = list(Reminder.objects.select_for_update().filter(booking=booking).order_by("pk"))
    rules = {rule.pk: rule for rule in _rules_for(booking)} if is_ahead else {}
    wanted = {(rule.pk, str(channel)): rule for rule in rules.values() for channel in rule.channels}
    current = {(r.rule_id, r.channel): r for r in known if r.version == booking.version}
    same_start = [r for r in known if r.start_time == booking.start_time]
    # What another version has planned for the same start in time is not past now, however late we are.
    carried = {(r.rule_id, r.channel): r.due_at for r in same_start if r.state == State.PLANNED and r.version != booking.version}
    sent = {(r.rule_id, r.channel) for r in same_start if r.state == State.SENT}
    for reminder in known:
        if reminder.state == State.PLANNED and (reminder.version != booking.version or (reminder.rule_id, reminder.channel) not in wanted):
            _skip(reminder, why_not(booking, at) or (Reason.CHANGED if reminder.version != booking.version else Reason.RULE_CHANGED))
    if not wanted:
        return
    since, zone = _since(booking, at), _zone(booking)
    new = []
    for key, rule in wanted.items():
        reminder = current.get(key) or _new(booking, rule, key[1])
        if reminder.pk and reminder.state != State.PLANNED and reminder.reason not in RECONSIDERED:
            continue
        due_at = _due(booking, rule, zone)
        keeps = carried.get(key) == due_at or (reminder.pk and reminder.state == State.PLANNED and reminder.due_at == due_at)
        is_past = due_at <= max(since, rule.changed_at) and not keeps
        reason = Reason.ALREADY_SENT if key in sent else Reason.PAST if is_past else Reason.NONE
        if reminder.pk and (reminder.due_at, reminder.reason) == (due_at, reason):
            continue
        reminder.due_at, reminder.reason, reminder.not_before, reminder.claimed_at = due_at, reason, None, None
        reminder.state = State.SKIPPED if reason else State.PLANNED
        if reminder.pk:
            reminder.save(update_fields=["due_at", "state", "reason", "not_before", "claimed_at", "updated_at"])
        else:
            new.append(reminder)
    Reminder.objects.bulk_create(new)


def _rules_for(booking: Booking) -> Iterable[ReminderRule]:
    return ReminderRule.objects.filter(Q(service=None) | Q(service_id=booking.service_id), is_active=True).order_by("pk")


def _new(booking: Booking, rule: ReminderRule, channel: str) -> Reminder:
    return Reminder(
        account_id=booking.account_id,
        booking=booking,
        version=booking.version,
        rule=rule,
        channel=channel,
        start_time=_start(booking),
    )


def _due(booking: Booking, rule: ReminderRule, zone: ZoneInfo) -> datetime:
    start = _start(booking)
    return quiet_hours(booking.account).shift(start - timedelta(minutes=rule.minutes_before), start=start, zone=zone)


def _start(booking: Booking) -> datetime:
    assert booking.start_time is not None  # noqa: S101  only sessions with a time are reminded of
    return booking.start_time


def _since(booking: Booking, at: datetime) -> datetime:
    """When the session became what it is. What was due before that is not sent late; what is due since is, however late the plan."""
    about = Event.objects.filter(subject_type=Booking._meta.label_lower, subject_id=booking.pk, version=booking.version)
    return about.order_by("pk").values_list("created_at", flat=True).first() or at


def _reader(booking: Booking) -> Recipient:
    return client_reader(booking.client, booking.account, zone=booking.timezone)


def _zone(booking: Booking) -> ZoneInfo:
    """Where the client lives by the clock: their own zone, else the session's."""
    return ZoneInfo(_reader(booking).timezone)


def _skip(reminder: Reminder, reason: str) -> None:
    reminder.state, reminder.reason, reminder.claimed_at = State.SKIPPED, reason, None
    reminder.save(update_fields=["state", "reason", "claimed_at", "updated_at"])


# -- sending


def claim_due(at: datetime, *, limit: int) -> list[tuple[int, int]]:
    """(account, reminder) of what is due and nobody works on, marked as claimed. Call in the platform scope and one transaction.

    Several workers at once claim different ones.
    """
    due = Reminder.objects.filter(
        Q(claimed_at=None) | Q(claimed_at__lte=at - CLAIMED_FOR),
        Q(not_before=None) | Q(not_before__lte=at),
        state=State.PLANNED,
        due_at__lte=at,
        account__status=Account.Status.ACTIVE,
    )
    rows = due.select_for_update(of=("self",), skip_locked=True).order_by("due_at", "pk")
    found = list(rows.values_list("account_id", "pk")[:limit])
    Reminder.objects.filter(pk__in=[pk for _, pk in found]).update(claimed_at=at, updated_at=at)
    return found


@joined
def send_reminder(reminder_id: int, *, at: datetime | None = None) -> str:
    """Tell the client of their session, if it still is as it was when this was planned; returns the state that the reminder has now.

    Reminder and message are written in one transaction, in which nobody can change the session. A session that has changed without
    losing its time is planned anew first.
    """
    at = at or timezone.now()
    found = Reminder.objects.filter(pk=reminder_id, state=State.PLANNED).values_list("booking_id", "rule_id", "channel").first()
    booking = _lock(found[0]) if found else None
    if found is None or booking is None:
        return State.SKIPPED
    _plan(booking, at)
    # The plan keeps one reminder for this rule and channel, that of the session's version.
    reminder = (
        Reminder.objects.select_for_update(of=("self",))
        .select_related("rule")
        .filter(booking=booking, version=booking.version, rule_id=found[1], channel=found[2])
        .first()
    )
    if reminder is None:
        return State.SKIPPED
    if reminder.state != State.PLANNED or max(reminder.due_at, reminder.not_before or at) > at:
        return reminder.state
    if _next_is_due(reminder, at):
        _skip(reminder, Reason.NEXT_IS_DUE)
    elif not _postponed(reminder, booking, at):
        _tell(reminder, booking, at)
    return reminder.state


def _next_is_due(reminder: Reminder, at: datetime) -> bool:
    """Whether a reminder closer to the start is due as well, or was sent since this one was: two at once say no more than one."""
    same = Reminder.objects.filter(booking_id=reminder.booking_id, channel=reminder.channel, start_time=reminder.start_time)
    closer = same.filter(
        Q(rule__minutes_before__lt=reminder.rule.minutes_before)
        | Q(rule__minutes_before=reminder.rule.minutes_before, rule_id__gt=reminder.rule_id)
    )
    return closer.filter(Q(state=State.PLANNED, due_at__lte=at) | Q(state=State.SENT, sent_at__gte=reminder.due_at)).exists()


def _postponed(reminder: Reminder, booking: Booking, at: datetime) -> bool:
    """Whether a late reminder waits for the end of the quiet hours, or is given up because the session is too near by then."""
    if at - reminder.due_at <= PUNCTUAL:
        return False
    hours, zone = quiet_hours(booking.account), _zone(booking)
    if hours.around(at, zone) is None:
        return False
    later = hours.shift(at, start=reminder.start_time, zone=zone)
    if later <= at:
        _skip(reminder, Reason.QUIET)
    else:
        reminder.not_before, reminder.claimed_at = later, None
        reminder.save(update_fields=["not_before", "claimed_at", "updated_at"])
    return True


def _tell(reminder: Reminder, booking: Booking, at: datetime) -> None:
    scene = of_booking(booking)
    told = tell(
        booking.account,
        key=f"{KEY}:{reminder.pk}",
        message=TO_CLIENTS["booking_reminder"],
        recipients=[_reader(booking)],
        facts=scene.facts,
        data=scene.data,
        calendar=calendar_of([booking], organizer=booking.account.name) if reminder.channel == Channel.EMAIL else None,
        channels=[reminder.channel],
        at=at,
    )
    if not (told.notifications or told.deliveries):
        _skip(reminder, Reason.UNREACHABLE)
        return
    reminder.state, reminder.sent_at, reminder.claimed_at = State.SENT, at, None
    reminder.delivery_id = next(iter(told.deliveries), None)
    reminder.save(update_fields=["state", "sent_at", "claimed_at", "delivery", "updated_at"])
