from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from apps.core.db import rows
from apps.core.tenancy import platform_scope

AHEAD = 'SELECT count(*) FROM core_event WHERE "transaction" >= pg_snapshot_xmax(pg_current_snapshot())'


class Command(BaseCommand):
    help = (
        "After a dump was restored into another cluster: events carry numbers of transactions that this one has not reached, and would stay"
        " invisible to whoever follows the log. Puts all events into one transaction of this cluster; their order becomes that of their ids."
        " Readers go on where they are. Says what it would do; --apply does it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--apply", action="store_true", help="Write.")

    def handle(self, *args: Any, **options: Any) -> None:
        with platform_scope("events after a restore"), connection.cursor() as cursor:
            (ahead,) = rows(AHEAD)[0]
            if not ahead:
                self.stdout.write("No event lies ahead of this cluster: nothing to do.")
            elif not options["apply"]:
                self.stdout.write(f"{ahead} events lie ahead of this cluster. Run again with --apply.")
            else:
                cursor.execute('UPDATE core_event SET "transaction" = pg_current_xact_id()')
                self.stdout.write(f"{cursor.rowcount} events were put into one transaction of this cluster.")
