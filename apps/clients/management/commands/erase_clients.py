"""Erasing people, and doing it again after a restore of an older backup (rules.md §13, security.md T27)."""

import json
import sys
from argparse import ArgumentParser, FileType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.accounts.models import Account
from apps.clients.errors import ErasureRefused
from apps.clients.models import Client, Erasure
from apps.clients.services.subjects import erase_client
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope


class Command(BaseCommand):
    help = (
        "Erases clients of one account (--account SLUG --client ID …), or those of a list (--again FILE). Without --apply nothing is changed:"
        " it says what would happen. --list writes every erasure that was done, one JSON object per line: keep it apart from the backups,"
        " and feed it to --again after a restore."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", help="The slug of the account.")
        parser.add_argument("--client", type=int, action="append", default=[], help="The id of a client; may be repeated.")
        parser.add_argument("--reason", default="", help="Kept with the certificate; do not name the person.")
        parser.add_argument("--list", action="store_true", help="Write the list of erasures to standard output.")
        parser.add_argument("--again", type=FileType(), metavar="FILE", help="Erase again who is in this list; - is standard input.")
        parser.add_argument("--apply", action="store_true", help="Do it.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self._list()
            return
        wanted = self._wanted(options)
        if not wanted:
            raise CommandError("Name an --account and a --client, or a list with --again.")
        counts = dict.fromkeys(("erased", "erased before", "refused", "unknown"), 0)
        for number, (slug, client_id) in enumerate(wanted, start=1):
            outcome = self._erase(slug, client_id, reason=options["reason"], apply=options["apply"])
            counts[outcome] += 1
            self.stderr.write(f"{number}/{len(wanted)} {slug} client {client_id}: {outcome}")
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        self.stdout.write(said if options["apply"] else f"{said} (nothing was changed; add --apply)")
        if counts["refused"] or counts["unknown"]:
            sys.exit(1)

    def _list(self) -> None:
        with platform_scope("the list of erasures"):
            done = Erasure._base_manager.filter(state=Erasure.State.DONE).order_by("pk")
            for slug, client_id, at in done.values_list("account__slug", "client_id", "erased_at").iterator():
                self.stdout.write(json.dumps({"account": slug, "client": client_id, "erased_at": at and at.isoformat()}))

    def _wanted(self, options: dict[str, Any]) -> list[tuple[str, int]]:
        if options["again"] is None:
            return [(options["account"], pk) for pk in options["client"]] if options["account"] else []
        try:
            rows = [json.loads(line) for line in options["again"] if line.strip()]
            return [(str(row["account"]), int(row["client"])) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f"This is not a list that --list has written: {error}") from error

    def _erase(self, slug: str, client_id: int, *, reason: str, apply: bool) -> str:
        with platform_scope("an account by its slug"):
            account = Account.objects.filter(slug=slug).first()
        if account is None:
            return "unknown"
        with account_scope(account), acting(None, "command"), transaction.atomic():
            client = Client.objects.filter(pk=client_id).first()
            if client is None:
                return "unknown"
            if Erasure.objects.filter(client=client, state=Erasure.State.DONE).exists():
                return "erased before"
            try:
                with transaction.atomic():
                    erasure = erase_client(client, reason=reason)
            except ErasureRefused as refusal:
                self.stderr.write(json.dumps(refusal.extras["reasons"]))
                return "refused"
            self.stderr.write(json.dumps(erasure.certificate, indent=1))
            if not apply:
                transaction.set_rollback(True)
        return "erased"
