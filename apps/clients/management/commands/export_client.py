"""Everything that an account keeps about one person, as a file."""

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.clients.services.subjects import add_client, archive
from apps.core.tenancy import account_scope, platform_scope


class Command(BaseCommand):
    help = "Writes the archive of one client (ZIP of JSON lists and files) to a new file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, help="The slug of the account.")
        parser.add_argument("--client", type=int, required=True, help="The id of the client.")
        parser.add_argument("--out", type=Path, required=True, help="The file to write; it must not exist.")

    def handle(self, *args: Any, **options: Any) -> None:
        with platform_scope("an account by its slug"):
            account = Account.objects.filter(slug=options["account"]).first()
        if account is None:
            raise CommandError("There is no such account.")
        with account_scope(account):
            client = Client.objects.current().filter(pk=options["client"]).first()
            if client is None:
                raise CommandError("There is no such client in this account.")
            with archive() as (file, add):
                add_client(add, client, at=timezone.now(), in_house=True)
        file.seek(0)
        try:
            with options["out"].open("xb") as out:
                shutil.copyfileobj(file, out)
        except OSError as error:
            raise CommandError(f"The file cannot be written: {error}") from error
        self.stdout.write(f"client {client.pk}: {options['out']}, {options['out'].stat().st_size} bytes")
