"""A world in which money moves at random: two businesses, their clients, two providers over real HTTP, and the job queue.

Everything in it is done by the real services, one after the other, from one seed; ``tests.payments.moves`` has the moves themselves.
What the world counts by itself (the till, the bank account, what providers have really taken) is compared with what our rows say.
"""

import json
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.tasks import keep_packages, release_lapsed_holds
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core import jobs
from apps.core.db import rows
from apps.core.errors import DomainError
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope
from apps.packages.models import Package
from apps.payments.models import Coupon, DepositRule, Dispute, Invoice, LedgerEntry, Payment, Refund
from apps.payments.tasks import look_around
from apps.payments.tasks_credit import sweep_credit
from apps.users.models import User
from factories.accounts import AccountFactory, MembershipFactory
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.clients import ClientFactory
from factories.packages import PackageFactory, PackageItemFactory
from factories.scheduling import WeeklyHoursFactory
from factories.users import CustomerFactory
from tests.bookings.life import FOR_WORKERS, at_this_moment
from tests.payments.counter import set_up
from tests.payments.told import untold

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULES = {
    "tiers": [
        {"hours_before": 48, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 24, "fee": {"kind": "percent", "value": 25}, "session": "returned"},
        {"hours_before": 2, "fee": {"kind": "fixed", "value": 1000}, "session": "consumed"},
    ],
    "no_show": {"fee": {"kind": "percent", "value": 50}, "session": "returned"},
}


ONLINE = ("stripe", "paypal")
LOST = ("reset_after", "error_after", "garbage", "error_before")
"""Ways in which an answer of a provider gets lost at once."""


class Idle(Exception):
    """There is nothing that this move could be made with."""


@dataclass
class House:
    """One business, and where its money can be looked for."""

    account: Account
    practitioners: list[Practitioner]
    services: list[Service]
    packages: list[Package]
    clients: list[Client]
    coupons: list[str]
    second: User
    stripe: dict[str, Any]
    paypal: dict[str, Any]
    codes: list[str] = field(default_factory=list)
    guests: int = 0
    heard: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    """What a person counts who stands beside: cents in the till and on the bank account."""

    def of(self, provider: str) -> dict[str, Any]:
        """What the provider keeps of this business."""
        return self.stripe if provider == "stripe" else self.paypal


def open_house(account: Account, *, stripe: Any, paypal: Any, number: int) -> House:
    """Open on weekdays from 08:00 to 20:00 local, sessions of half an hour; taxes, fees and terms are the account's own."""
    services = [
        ServiceFactory(account=account, duration_minutes=30, price_cents=price, tax_rate=rate and Decimal(rate), cancellation_policy=rules)
        for price, rate, rules in ((4999, "19.00", RULES), (7500, "7.00", {}), (3333, None, RULES))
    ]
    practitioners = [PractitionerFactory(account=account) for _ in range(3)]
    for practitioner in practitioners:
        for service in services:
            OfferingFactory(account=account, practitioner=practitioner, service=service)
        for weekday in range(7):
            WeeklyHoursFactory(account=account, practitioner=practitioner, weekday=weekday)
    packages = []
    for price, quantities, terms in (
        (10000, (3, 0, 0), {"transferable": True, "transfer_fee_cents": 250}),
        (49999, (3, 2, 1), {"transferable": True}),
        (12345, (2, 0, 1), {"valid_days": 6, "transferable": True}),
    ):
        package = PackageFactory(account=account, price_cents=price, **terms)
        for position, (service, quantity) in enumerate(zip(services, quantities, strict=True), start=1):
            if quantity:
                PackageItemFactory(account=account, package=package, service=service, quantity=quantity, position=position)
        packages.append(package)
    clients = [ClientFactory(account=account, customer=CustomerFactory()) for _ in range(4)]
    clients += [ClientFactory(account=account), ClientFactory(account=account, tax_code="exempt")]
    with account_scope(account):
        for code, kind, value in (("TEN", "percent", 10), ("FIVER", "fixed", 500), ("FREE", "percent", 100)):
            Coupon.objects.create(account=account, code=code, kind=kind, value=value, max_uses_per_client=None)
        DepositRule.objects.create(account=account, name="A third", kind="percent", value=33, minimum_cents=10001)
    known = {"stripe": stripe.account, "paypal": paypal.account}
    if number:
        words = stripe.add_account(secret_key=f"sk_test_{number}", publishable_key=f"pk_test_{number}", webhook_secret=f"whsec_{number}")
        known["stripe"] = stripe.accounts[words["secret_key"]]
        words = paypal.add_account(
            client_id=f"AClient{number}", client_secret=f"ESecret{number}", merchant_id=f"MERCHANT{number}", webhook_id=f"WH-{number}"
        )
        known["paypal"] = paypal.accounts[words["client_id"]]
    for provider, names in (
        ("stripe", ("publishable_key", "secret_key", "webhook_secret")),
        ("paypal", ("client_id", "client_secret", "merchant_id", "webhook_id")),
    ):
        set_up(account, provider, {name: known[provider][name] for name in names})
    MembershipFactory(account=account, role="owner")
    second = MembershipFactory(account=account, role="manager").user
    return House(account, practitioners, services, packages, clients, ["TEN", "FIVER", "FREE"], second, **known)


class World:
    """Two houses, a clock that stands still between moves, and one source of chance."""

    def __init__(self, *, seed: int, clock: Any, stripe: Any, paypal: Any) -> None:
        self.seed, self.dice, self.clock = seed, random.Random(seed), clock
        self.fakes = {"stripe": stripe, "paypal": paypal}
        berlin = AccountFactory(name="Berlin", slug="berlin", settings={"points_per_100_cents": 5, "point_value_cents": 2})
        york = AccountFactory(
            name="New York",
            slug="new-york",
            timezone="America/New_York",
            currency="USD",
            country_id="US",
            settings={"prices_include_tax": False, "tax_rounding": "net_sum", "package_tax_rate": "8.25", "invoice_when": "sale"},
        )
        self.houses = [open_house(one, stripe=stripe, paypal=paypal, number=n) for n, one in enumerate((berlin, york))]
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.log: deque[str] = deque(maxlen=40)
        self.step = 0
        self.challenged: list[str] = []
        self.processing: list[str] = []
        self.disputed: list[tuple[str, str]] = []

    # -- chance

    def often(self, share: float) -> bool:
        return self.dice.random() < share

    def one(self, found: Any, *, latest: int = 40) -> Any:
        """One of the rows (of the latest, of a query). Raises Idle when there is none."""
        is_query = isinstance(found, QuerySet)
        among = list(found.order_by("-pk").values_list("pk", flat=True)[:latest]) if is_query else list(found)
        if not among:
            raise Idle
        chosen = self.dice.choice(among)
        return found.model.objects.get(pk=chosen) if is_query else chosen

    # -- acting

    def call(self, house: House, use_case: Callable[..., Any], /, *args: Any, door: str = "staff", **options: Any) -> Any:
        """A service in a transaction of its own, as somebody of the house (or its client) calls it."""
        with acting(None, door), account_scope(house.account), transaction.atomic():
            return use_case(*args, **options)

    def move(self, house: House, name: str, make: Callable[["World", House], str]) -> bool:
        """One move; whether there was something to do. What the business refuses changes nothing, and is counted."""
        try:
            happened = make(self, house)
        except Idle:
            return False
        except DomainError as refusal:
            self.refused[f"{name}: {refusal.code}"] += 1
            happened = f"refused {refusal.code}"
        else:
            for kind in happened.split(", "):
                self.done[kind] += 1
        self.step += 1
        self.log.append(f"{self.step} {timezone.now():%d %H:%M} {house.account.slug} {name}: {happened}")
        return True

    def work(self, *, all_of_it: bool = False) -> int:
        """Jobs as workers do them: in any order, some of them twice, some only later."""
        with connection.cursor() as cursor:
            # Not by a worker of the queue's own: those start anew for each job, and keep the order.
            cursor.execute("SELECT id, task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
            todo = cursor.fetchall()
            if not all_of_it:
                todo = [job for job in todo if self.often(0.8)]
                self.dice.shuffle(todo)
            cursor.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", [[job[0] for job in todo]])
        tasks: Any = jobs.app  # type: ignore[attr-defined]
        for _, name, arguments in todo:
            for _ in range(2 if self.often(0.05) else 1):
                tasks.tasks[name](**json.loads(arguments))
        return len(todo)

    def minute(self, *, quarter: bool = True) -> None:
        """What the clock brings about, every minute and every quarter of an hour."""
        release_lapsed_holds(0)
        look_around(0)
        if quarter:
            sweep_credit(0)
            keep_packages(0)
        while self.work(all_of_it=True):
            pass

    def wait(self, much: timedelta) -> None:
        self.clock.shift(much)
        self.minute(quarter=much > HOUR)

    # -- providers

    def new_events(self, house: House, provider: str, most: int) -> list[dict[str, Any]]:
        """What the provider has not told this house yet."""
        told = house.heard[provider]
        with self.fakes[provider].lock:
            events = list(islice(house.of(provider)["events"].values(), told, told + most))
        house.heard[provider] += len(events)
        return events

    # -- what must be true at any moment

    def wrong(self) -> dict[str, list[Any]]:
        """Everything that does not hold: invariants by their code (by the clock of this world), and what was counted by hand."""
        found: dict[str, list[Any]] = {}
        with platform_scope("money machine"):
            for code, find in at_this_moment():
                found[code] = find() if code not in FOR_WORKERS else []
            found["unbalanced"] = list(
                LedgerEntry.objects.values("account_id", "currency").annotate(cents=Sum("amount_cents")).exclude(cents=0)
            )
            found["gaps"] = gaps()
            found |= untold()
        for house in self.houses:
            with account_scope(house.account):
                found[f"held by {house.account.slug}"] = self.differences_in_hand(house)
        return {code: what for code, what in found.items() if what}

    def differences_in_hand(self, house: House) -> list[tuple[str, int, int]]:
        """(book, cents in it, cents that were put there by hand)."""
        books = balances()
        return [(book, books[book], house.held[book]) for book in ("cash", "bank") if books[book] != house.held[book]]

    def at_providers(self, house: House) -> list[tuple[Any, ...]]:
        """Where a provider and we do not say the same of this business's money; ours are in second place."""
        found: list[tuple[Any, ...]] = []
        with account_scope(house.account):
            books = balances()
            disputed = 0
            for provider, theirs in (("stripe", stripe_says(house.stripe)), ("paypal", paypal_says(house.paypal))):
                ours = we_say(provider)
                found += [(provider, name, theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]]
                kept = sum(theirs["captured"].values()) - theirs["refunded"] - theirs["lost"] - theirs["open"]
                disputed += theirs["open"]
                if books[provider] != kept:
                    found.append((provider, "book", kept, books[provider]))
            if books["disputed"] != disputed:
                found.append(("both", "disputed", disputed, books["disputed"]))
        return found

    def settle_down(self) -> None:
        """Time passes, everybody hears of everything, and nobody does anything new."""
        for intent in self.processing:
            self.fakes["stripe"].do(f"finish/{intent}")
        for house in self.houses:
            for refund in [one["id"] for one in house.stripe["refunds"].values() if one["status"] == "pending"]:
                self.fakes["stripe"].do(f"refunds/{refund}", status="succeeded")
            for refund in [one["id"] for one in house.paypal["refunds"].values() if one["status"] == "PENDING"]:
                self.fakes["paypal"].do(f"refunds/{refund}", status="COMPLETED")
        self.processing.clear()
        for much in (MINUTE, 10 * MINUTE, 2 * HOUR, DAY, DAY):
            self.wait(much)


def gaps() -> list[tuple[int, str, list[int]]]:
    """Series of documents that do not count from one without a gap."""
    series: dict[tuple[int, str], list[int]] = {}
    for account_id, name, sequence in Invoice.objects.order_by("sequence").values_list("account_id", "series", "sequence"):
        series.setdefault((account_id, name), []).append(sequence)
    return [(*key, found) for key, found in series.items() if found != list(range(1, len(found) + 1))]


def balances() -> Counter[str]:
    """{book: cents} of the account in scope."""
    found: Counter[str] = Counter()
    found.update(dict(LedgerEntry.objects.values_list("book").annotate(cents=Sum("amount_cents")).values_list("book", "cents")))
    return found


def effects() -> Counter[str]:
    """How often each thing has happened, by what is stored of it."""
    found: Counter[str] = Counter()
    with platform_scope("effects"):
        for table, words in (
            ("payments_payment", "method || ' ' || status || CASE WHEN is_late THEN ' late' ELSE '' END"),
            ("payments_refund", "'refund by ' || method || ' ' || status"),
            ("payments_dispute", "'dispute ' || status"),
            ("payments_invoice", "kind"),
            ("payments_wallettransaction", "'credit ' || kind"),
            ("payments_giftcode", "'gift code ' || status"),
            ("payments_providerevent", "'event ' || status"),
            ("payments_bankline", "'bank line ' || status"),
            ("payments_instalment", "'scheduled ' || kind"),
            ("payments_couponuse", "'coupon used'"),
            ("bookings_booking", "'session ' || status"),
            ("orders_orderline", "'line ' || kind"),
            ("orders_order", "'order ' || payment_status"),
        ):
            found.update(dict(rows(f"SELECT {words}, count(*) FROM {table} GROUP BY 1")))
    return found


# -- two tellings of the same money


def we_say(provider: str) -> dict[str, Any]:
    taken = Payment.objects.filter(method=provider, captured_cents__gt=0)
    back = Refund.objects.filter(method=provider, status=Refund.Status.SUCCEEDED, dispute=None)
    disputes = Dispute.objects.filter(payment__method=provider)
    return {
        "captured": dict(taken.values_list("provider_ref", "captured_cents")),
        "refunded": back.aggregate(cents=Sum("amount_cents"))["cents"] or 0,
        "lost": disputes.filter(status="lost").aggregate(cents=Sum("amount_cents"))["cents"] or 0,
        "open": disputes.filter(status="open").aggregate(cents=Sum("amount_cents"))["cents"] or 0,
    }


def stripe_says(account: dict[str, Any]) -> dict[str, Any]:
    charges = [one for one in account["charges"].values() if one["status"] == "succeeded" and one["amount_captured"]]
    disputes = list(account["disputes"].values())
    return {
        "captured": {one["payment_intent"]: one["amount_captured"] for one in charges},
        "refunded": sum(one["amount"] for one in account["refunds"].values() if one["status"] == "succeeded"),
        "lost": sum(one["amount"] for one in disputes if one["status"] == "lost"),
        "open": sum(one["amount"] for one in disputes if one["status"] not in ("lost", "won")),
    }


def paypal_says(account: dict[str, Any]) -> dict[str, Any]:
    taken = [one for one in account["captures"].values() if one["status"] in ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED")]
    disputes = list(account["disputes"].values())
    ended = {"RESOLVED_BUYER_FAVOUR": "lost", "RESOLVED_SELLER_FAVOUR": "won"}
    ends = [ended.get(one.get("dispute_outcome", {}).get("outcome_code", ""), "open") for one in disputes]
    return {
        "captured": {one["supplementary_data"]["related_ids"]["order_id"]: cents(one["amount"]) for one in taken},
        "refunded": sum(cents(one["amount"]) for one in account["refunds"].values() if one["status"] == "COMPLETED"),
        "lost": sum(cents(one["dispute_amount"]) for one, end in zip(disputes, ends, strict=True) if end == "lost"),
        "open": sum(cents(one["dispute_amount"]) for one, end in zip(disputes, ends, strict=True) if end == "open"),
    }


def cents(amount: dict[str, str]) -> int:
    return int(amount["value"].replace(".", ""))


# -- whether anything has changed


UNTOLD = {"payments_providerevent": ("attempts", "processed_at", "updated_at")}
"""What may change when an event is read again: how often it was."""
KEPT = ("payments_", "orders_", "bookings_booking", "core_event", "core_counter")


def digests() -> dict[str, str]:
    """{table: digest of its rows} of everything that money and sessions are written in, history and events included."""
    with platform_scope("digests"):
        tables = [name for (name,) in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
        found = {}
        for table in tables:
            if table.startswith(KEPT):
                row = "to_jsonb(t)" + "".join(f" - '{column}'" for column in UNTOLD.get(table, ()))
                found[table] = rows(f"SELECT md5(coalesce(string_agg(({row})::text, '|' ORDER BY ({row})::text), '')) FROM {table} t")[0][0]
    return found


@contextmanager
def unchanged() -> Iterator[None]:
    """What is done inside writes nothing."""
    before = digests()
    yield
    after = digests()
    changed = sorted(table for table in before if before[table] != after[table])
    assert changed == [], f"changed: {changed}"


__all__ = ["HOUR", "LOST", "MINUTE", "ONLINE", "House", "Idle", "World", "digests", "effects", "unchanged"]
