from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import Account
from apps.core.errors import DomainError
from apps.core.events import acting
from apps.core.tenancy import account_scope
from apps.payments.services.bank import Found, examine, settle_lines, store_lines
from apps.payments.statements import Statement, read_statement, safe_cell


class Command(BaseCommand):
    help = (
        "Imports a bank statement (CSV) into an account: transfers that quote a payment's reference and have its amount are taken in. "
        "Without --apply it changes nothing and says what it would do. The same file may be imported again: a line counts once. "
        "Prints a table with tabs. Exit code 1 when lines could not be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--account", metavar="SLUG", required=True)
        parser.add_argument("--apply", action="store_true", help="Do it.")
        parser.add_argument("--date-order", choices=["auto", "dmy", "mdy"], default="auto", help="How 03/04/2026 is meant.")

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(slug=options["account"], status=Account.Status.ACTIVE).first()
        if account is None:
            raise CommandError(f"There is no open account {options['account']}.")
        statement = self.read(options["file"], account, options["date_order"])
        with account_scope(account):
            found = examine(statement.rows)
            new = sum(not one.is_known for one in found)
            lines = store_lines(found) if options["apply"] else {}
        if options["apply"]:
            with acting(None, "command"):
                settle_lines(account.pk, lines=lines.items())
            with account_scope(account):
                found = examine(statement.rows)
        self.show(found, statement)
        counts = Counter(one.verdict.status for one in found)
        done = "Imported" if options["apply"] else "Nothing was changed. To be imported"
        said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "nothing"
        self.stdout.write(f"{done}: {new} new lines of {len(found)} ({said}). Not readable: {len(statement.errors)}.")
        if statement.errors:
            raise CommandError("Some lines could not be read.")

    def read(self, path: Path, account: Account, date_order: Any) -> Statement:
        """The file's lines, or an error for the person at the terminal."""
        try:
            return read_statement(path.read_bytes(), currency=account.currency, date_order=date_order, country=account.country_id)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except DomainError as error:
            said = "; ".join(message for messages in (error.fields or {}).values() for message in messages)
            raise CommandError(said or error.message) from error

    def show(self, found: list[Found], statement: Statement) -> None:
        """One line each, safe to be opened as a spreadsheet."""
        for one in found:
            row, verdict = one.row, one.verdict
            payment = f"payment {verdict.payment_id}" if verdict.payment_id else ""
            cells = [str(row.line), verdict.status, row.booked_on.isoformat(), str(row.amount_cents), row.currency, payment]
            self.stdout.write("\t".join([*cells, safe_cell(row.text), safe_cell(verdict.note)]))
        for error in statement.errors:
            self.stdout.write(f"{error.line}\tnot readable\t{safe_cell(error.reason)}")
