"""What is to be paid when: deposits by rule, a balance before the first session, or instalments (rules.md §4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.models import Booking, Status
from apps.catalog.models import Service
from apps.clients.models import Client
from apps.core.errors import Invalid
from apps.core.money import half_up, split
from apps.orders.models import Order
from apps.orders.validity import end_of
from apps.packages.models import Package
from apps.packages.selectors import PlannedSession
from apps.payments.models import DepositRule, Instalment

MOST = 36
"""Instalments of one payment plan."""

Kind = Instalment.Kind


@dataclass(frozen=True, slots=True)
class Planned:
    """A line of a payment schedule. Without ``due_at`` it is due on arrival."""

    kind: str
    amount_cents: int
    due_at: datetime | None


def schedule_for(
    *,
    account: Account,
    client: Client,
    order_total_cents: int,
    package: Package | None,
    service: Service | None,
    sessions: Sequence[PlannedSession],
    instalments: int | None,
    first_start: datetime | None,
    at: datetime,
    order: Order | None = None,
) -> list[Planned]:
    """The payment schedule of a sale, which adds up to its total; empty when everything is due now. Its first line is due now.

    The strictest deposit rule that fits asks for the first payment. The rest is due ``balance_due_hours`` before the first session, or
    on arrival when the setting is 0 or no start is known yet. With ``instalments`` the total is paid in so many even parts, the first
    of which is never less than the deposit. ``order`` is the one being placed, when it is written already.
    Raises Invalid for a number of instalments that cannot be.
    """
    if instalments is not None and not 1 <= instalments <= MOST:
        raise Invalid(fields={"instalments": [f"Between 1 and {MOST} instalments are possible."]})
    deposit = _deposit(client, order_total_cents, package, service, sessions, order)
    if instalments is not None and instalments > 1:
        return _in_parts(account, order_total_cents, deposit, instalments, at)
    hours = setting(account, "balance_due_hours")
    balance_due = first_start - timedelta(hours=hours) if hours and first_start else None
    if not 0 < deposit < order_total_cents or (balance_due is not None and balance_due <= at):
        return []
    return [Planned(Kind.DEPOSIT, deposit, at), Planned(Kind.BALANCE, order_total_cents - deposit, balance_due)]


def _in_parts(account: Account, total: int, deposit: int, count: int, at: datetime) -> list[Planned]:
    """Even parts, the first due now and the others by the end of a local day, ``instalment_days`` apart."""
    parts = split(total, [1] * count)
    kind = Kind.INSTALMENT
    if deposit > parts[0]:
        kind, parts = Kind.DEPOSIT, [deposit, *split(total - deposit, [1] * (count - 1))]
    parts = [part for part in parts if part]
    if len(parts) < 2:
        return []
    zone, days = ZoneInfo(account.timezone), setting(account, "instalment_days")
    today = at.astimezone(zone).date()
    later = [Planned(Kind.INSTALMENT, part, end_of(today + timedelta(days=days * i), zone)) for i, part in enumerate(parts) if i]
    return [Planned(kind, parts[0], at), *later]


def _deposit(
    client: Client, total: int, package: Package | None, service: Service | None, sessions: Sequence[PlannedSession], order: Order | None
) -> int:
    """What the strictest rule that fits asks for, in cents; 0 without one. What has no sessions is paid at once."""
    if not sessions or not total:
        return 0
    services = {session.service.pk for session in sessions} | ({service.pk} if service else set())
    rules = [
        rule
        for rule in DepositRule.objects.filter(is_active=True, minimum_cents__lte=total)
        if (rule.package_id is None or (package is not None and rule.package_id == package.pk))
        and (rule.service_id is None or rule.service_id in services)
        and (not rule.client_tag or rule.client_tag in client.tags)
    ]
    if any(rule.first_order_only for rule in rules) and _bought_before(client, order):
        rules = [rule for rule in rules if not rule.first_order_only]
    if any(rule.min_no_shows for rule in rules):
        missed = Booking.objects.filter(client=client, status=Status.NO_SHOW).count() if client.pk else 0
        rules = [rule for rule in rules if rule.min_no_shows <= missed]
    return max((amount_of(rule, total) for rule in rules), default=0)


def _bought_before(client: Client, order: Order | None) -> bool:
    if client.pk is None:
        return False
    others = Order.objects.filter(client=client, parent=None).exclude(status=Order.Status.CANCELLED)
    return (others.exclude(pk=order.pk) if order else others).exists()


def amount_of(rule: DepositRule, total_cents: int) -> int:
    """The deposit that a rule asks for: at most the total, per cent rounded half up."""
    return half_up(total_cents * rule.value, 100) if rule.kind == "percent" else min(rule.value, total_cents)


def write_schedule(order: Order, planned: Sequence[Planned]) -> list[Instalment]:
    """Write the schedule of an order that was just placed."""
    return Instalment.objects.bulk_create(
        [
            Instalment(
                account_id=order.account_id,
                order=order,
                client_id=order.client_id,
                position=position,
                kind=line.kind,
                amount_cents=line.amount_cents,
                due_at=line.due_at,
            )
            for position, line in enumerate(planned, start=1)
        ]
    )


def next_due(order: Order, *, at: datetime | None = None) -> int:
    """What is to be paid now of what an order lacks, in cents: the lines of its schedule that are due and not covered by what was paid,
    at least the next of them. Without a schedule, and past its end (a fee came on top), the balance.
    """
    at = at or timezone.now()
    kept = order.paid_cents - order.refunded_cents
    covered = due = 0
    for line in Instalment.objects.filter(order=order).order_by("position"):
        covered += line.amount_cents
        missing = min(line.amount_cents, covered - kept)
        if missing <= 0:
            continue
        if due and (line.due_at is None or line.due_at > at):
            break
        due += missing
    return min(due, order.balance_due_cents) or order.balance_due_cents
