from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import Account
from apps.clients.importing.writing import safe_cell
from apps.clients.models import ClientImport, ClientImportRow
from apps.clients.services.imports import commit_import, preview_import, run_import, upload_import
from apps.core.errors import DomainError
from apps.core.events import acting
from apps.core.tenancy import account_scope

SHOWN = 100


class Command(BaseCommand):
    help = (
        "Imports clients from a CSV or XLSX file into an account, as the API does. Without --commit it changes nothing and says what the "
        "first 200 rows would become. Bad rows do not hold up the others. Exit code 1 when rows were bad."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--account", metavar="SLUG", required=True)
        parser.add_argument("--map", metavar="COLUMN=FIELD", action="append", default=[], help="Instead of what the header proposes.")
        parser.add_argument("--on-duplicate", choices=ClientImport.OnDuplicate.values, default=ClientImport.OnDuplicate.SKIP)
        parser.add_argument("--commit", action="store_true", help="Do it.")

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(slug=options["account"], status=Account.Status.ACTIVE).first()
        if account is None:
            raise CommandError(f"There is no open account {options['account']}.")
        given = dict(pair.rpartition("=")[::2] for pair in options["map"])
        try:
            content = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        try:
            bad = self.work(account, options["file"].name, content, given, options)
        except DomainError as error:
            said = " ".join(text for texts in (error.fields or {}).values() for text in texts)
            raise CommandError(said or error.message) from error
        if bad:
            raise CommandError(f"{bad} rows are bad.")

    def work(self, account: Account, name: str, content: bytes, given: dict[str, str], options: dict[str, Any]) -> int:
        """Preview or import; returns how many rows are bad."""
        with account_scope(account), acting(None, "command"):
            source = upload_import(account=account, name=name, content=content)
            mapping = given or source.mapping
            if not options["commit"]:
                return self.show_preview(account, source, mapping)
            commit_import(source, mapping=mapping, on_duplicate=options["on_duplicate"])
        run_import(account.pk, source.pk)
        with account_scope(account):
            source.refresh_from_db()
            bad = ClientImportRow.objects.filter(source=source, state=ClientImportRow.State.BAD).order_by("line")
            for line, reason in bad.values_list("line", "reason")[:SHOWN]:
                self.stdout.write(f"{line}\t{safe_cell(reason)}")
        counts = ", ".join(f"{getattr(source, what)} {what}" for what in ("created", "updated", "skipped", "bad"))
        self.stdout.write(f"Import {source.pk} is {source.state}: {counts}. {source.failure}".strip())
        return source.bad

    def show_preview(self, account: Account, source: ClientImport, mapping: dict[str, str]) -> int:
        """Say what the first rows would become, and forget the file."""
        shown = preview_import(source, account=account, mapping=mapping)
        for row in shown["rows"]:
            if row["state"] == "bad":
                self.stdout.write(f"{row['line']}\t{safe_cell(row['reason'])}")
        source.delete()
        counts = ", ".join(f"{count} {what}" for what, count in shown["counts"].items())
        self.stdout.write(f"Nothing was changed. Of the first {shown['looked_at']} rows: {counts}.")
        return shown["counts"]["bad"]
