"""manage.py open_books: the books of orders and payments that were made before there were books."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.accounts.models import Account
from apps.core.events import acting
from apps.core.tenancy import account_scope
from apps.payments.services.opening import BATCH, Opening, batches, open_batch


class Command(BaseCommand):
    help = (
        "Posts to the ledger what orders, payments and refunds say that is not in it. Only shows it without --apply. It may be stopped and "
        "run again at any time, beside a running system. Exit code 1 when something is left to post."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--account", metavar="SLUG", help="Only this account.")
        whose.add_argument("--all", action="store_true", help="Every account.")
        parser.add_argument("--apply", action="store_true", help="Write it; without this, everything is rolled back.")
        parser.add_argument("--batch", type=int, default=BATCH, metavar="N", help="Rows per transaction (default %(default)s).")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("--batch is at least 1.")
        accounts = Account.objects.order_by("pk")
        if options["account"]:
            accounts = accounts.filter(slug=options["account"])
            if not accounts:
                raise CommandError(f"There is no account with the slug {options['account']}.")
        left = 0
        for account in accounts:
            done = self._open(account, apply=options["apply"], limit=options["batch"])
            total = sum(done.values())
            told = ", ".join(f"{posted} {what}" for what, posted in done.items())
            self.stdout.write(f"{account.slug}: {told} {'posted' if options['apply'] else 'to post'}")
            left += sum(self._open(account, apply=False, limit=options["batch"]).values()) if options["apply"] else total
        if left:
            raise CommandError(f"{left} left to post." if options["apply"] else f"{left} to post; nothing was written without --apply.")
        self.stdout.write(self.style.SUCCESS("The books are complete."))

    def _open(self, account: Account, *, apply: bool, limit: int) -> dict[str, int]:
        def open_next(what: str, after: int) -> Opening:
            with account_scope(account), acting(None, "command"), transaction.atomic():
                opening = open_batch(what, after=after, limit=limit)
                if not apply:
                    transaction.set_rollback(True)
            return opening

        done: dict[str, int] = {}
        for opening in batches(open_next):
            done[opening.what] = done.get(opening.what, 0) + opening.posted
            if opening.last is not None and apply:
                self.stdout.write(f"{account.slug}: {done[opening.what]} {opening.what} …")
        return done
