from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.models import Booking
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.slots import find_slots, offers_of
from apps.catalog.models import Practitioner
from apps.checkout.services import sell
from apps.clients.models import Client
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope
from apps.packages.services import create_package
from apps.payments.services import mark_received
from apps.scheduling.hours import from_epoch

SESSIONS, PRICE_CENTS = 3, 50000
LOOK_AHEAD = timedelta(days=60)


class Command(BaseCommand):
    help = "Proves on the live database that an order is the package and its bookings are the sessions (source 002). Leaves nothing behind."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--practitioner-id", type=int, required=True, help="A practitioner with at least one offering.")

    def handle(self, *args: Any, **options: Any) -> None:
        account = self._account_of(options["practitioner_id"])
        with transaction.atomic():
            with account_scope(account), acting(None, "command"):
                self._prove(account, Practitioner.objects.get(pk=options["practitioner_id"]))
            transaction.set_rollback(True)
        self.stdout.write(self.style.SUCCESS("The simplified package holds. Everything was rolled back."))

    def _account_of(self, practitioner_id: int) -> Account:
        with platform_scope(f"test_simplified_package for practitioner {practitioner_id}"):
            found = Practitioner.objects.select_related("account").filter(pk=practitioner_id).first()
        if found is None:
            raise CommandError(f"There is no practitioner {practitioner_id}.")
        return found.account

    def _prove(self, account: Account, practitioner: Practitioner) -> None:
        offering = practitioner.offerings.filter(is_active=True, service__is_active=True).select_related("service").order_by("pk").first()  # type: ignore[attr-defined]
        if offering is None:
            raise CommandError(f"Practitioner {practitioner.pk} offers no service.")
        name = f"Proof of {timezone.now():%Y-%m-%d %H:%M:%S.%f}"
        package = create_package(
            account_id=account.pk, package_name=name, price_cents=PRICE_CENTS, items=[{"service": offering.service, "quantity": SESSIONS}]
        )
        client = Client.objects.create(account=account, full_name=name)
        before = Booking.objects.count()

        sale = sell(account=account, client=client, package=package, method="cash")

        sessions = list(sale.order.bookings.order_by("position"))  # type: ignore[attr-defined]
        self._check("no parent booking: as many rows as sessions", Booking.objects.count() - before == SESSIONS)
        self._check(f"{SESSIONS} session bookings, all linked to the order", [s.position for s in sessions] == [1, 2, 3])
        self._check("every session is a draft without a start", {(s.status, s.start_time) for s in sessions} == {("draft", None)})
        self._check("the shares add up to the price", sum(s.price_cents for s in sessions) == PRICE_CENTS)
        self._check(
            "the order has all package info",
            (sale.order.order_type, sale.order.total_sessions, sale.order.package_metadata["session_value_cents"])
            == ("package", SESSIONS, sessions[0].price_cents),
        )
        mark_received(sale.payment)  # type: ignore[arg-type]  # a package with a price has a payment
        paid = set(sale.order.bookings.values_list("payment_status", flat=True))  # type: ignore[attr-defined]
        self._check("every session is paid once the order is paid", paid == {"paid"})
        self._schedule_one(account, practitioner, sessions)

    def _schedule_one(self, account: Account, practitioner: Practitioner, sessions: list[Booking]) -> None:
        """Only the session that gets a start is confirmed."""
        at = timezone.now()
        terms, offers = offers_of(account.pk, sessions[0].service_id, practitioner.pk)
        slots = terms and find_slots(account=account, terms=terms, offers=offers, since=at, until=at + LOOK_AHEAD, at=at)
        if not slots:
            self.stdout.write("-  no free slot in the next 60 days: scheduling was not tried")
            return
        schedule_booking(sessions[0], practitioner=practitioner, start_time=from_epoch(slots[0].start), at=at)
        states = list(Booking.objects.filter(order_id=sessions[0].order_id).order_by("position").values_list("status", flat=True))
        self._check("confirmed only with a start", states == ["confirmed", "draft", "draft"])

    def _check(self, says: str, holds: bool) -> None:
        if not holds:
            raise CommandError(f"Not so: {says}.")
        self.stdout.write(f"ok {says}")
