from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.models import Booking, Status
from apps.bookings.selectors import overdue_orders
from apps.bookings.services.expiry import forfeit_expired, run_through
from apps.core.tenancy import account_scope


class Command(BaseCommand):
    help = (
        "Forfeits the unscheduled sessions of packages whose end has passed, as the periodic job does. Without --apply it changes "
        "nothing and says what it would do. Exit code 1 when orders are left over because somebody was changing them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="Do it.")
        parser.add_argument("--account", metavar="SLUG", help="Only this account (default: all open accounts).")

    def handle(self, *args: Any, **options: Any) -> None:
        at = timezone.now()
        accounts = Account.objects.filter(status=Account.Status.ACTIVE).order_by("pk")
        if options["account"]:
            accounts = accounts.filter(slug=options["account"])
            if not accounts:
                raise CommandError(f"There is no open account {options['account']}.")
        done: dict[int, list[int]] = {}
        busy: list[int] = []
        for account in accounts:
            if not options["apply"]:
                found = self.waiting(account, at)
                self.show(account, "would expire", found)
                done |= found
                continue
            for batch in run_through(account.pk, forfeit_expired, at=at, source="command"):
                self.show(account, "expired", batch.done)
                done |= batch.done
                busy += batch.busy
        sessions = sum(len(ids) for ids in done.values())
        what = "Forfeited" if options["apply"] else "Nothing was changed. To be forfeited:"
        self.stdout.write(f"{what} {sessions} sessions of {len(done)} orders. Left over: {len(busy)}.")
        if busy:
            raise CommandError(f"Orders that were busy: {', '.join(map(str, busy))}. Run it again.")

    def waiting(self, account: Account, at: Any) -> dict[int, list[int]]:
        """{order: sessions} that a run would forfeit now."""
        found: dict[int, list[int]] = {}
        with account_scope(account):
            drafts = Booking.objects.filter(status=Status.DRAFT, order__in=overdue_orders(at)).order_by("order_id", "pk")
            for order_id, booking_id in drafts.values_list("order_id", "pk"):
                found.setdefault(order_id, []).append(booking_id)
        return found

    def show(self, account: Account, what: str, found: dict[int, list[int]]) -> None:
        for order_id, sessions in found.items():
            self.stdout.write(f"{what}  account {account.slug}  order {order_id}  sessions {', '.join(map(str, sessions))}")
