from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import DomainError
from apps.legacy.locking import only_run
from apps.legacy.old_database import opened
from apps.legacy.people import DROPPABLE, People
from apps.legacy.record import KIND, ImportRecord
from apps.legacy.services.customers import Report, import_people, inspect, undo_import

SAMPLE = 10


class Command(BaseCommand):
    help = (
        "Brings users, customers, addresses and histories from a database in which a customer is a user (multi-table inheritance). "
        "Without --apply or --undo it only checks. Exit code 1 when something does not fit, differs or is left over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source", metavar="DSN", help="The old database; give the password by PGPASSWORD or a service file.")
        parser.add_argument(
            "--drop", action="append", choices=DROPPABLE, default=[], help="Leave such values behind where they do not fit."
        )
        parser.add_argument("--record", type=Path, metavar="FILE", help=f"What was created (default: DATA_DIR/{KIND}.jsonl).")
        doing = parser.add_mutually_exclusive_group()
        doing.add_argument("--apply", action="store_true", help="Write what is missing and verify; continues an interrupted run.")
        doing.add_argument("--undo", action="store_true", help="Delete what the record says was created, where nothing refers to it.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["source"]) == options["undo"]:
            raise CommandError("Give the old database with --source DSN; --undo needs none.")
        path = options["record"] or Path(settings.DATA_DIR) / f"{KIND}.jsonl"
        try:
            with only_run(KIND):
                record = ImportRecord(path)
                if options["undo"]:
                    self.undo(record)
                else:
                    with opened(options["source"]) as old:
                        self.bring(People(old, options["drop"]), record, apply=options["apply"])
        except DomainError as error:
            raise CommandError(error.message) from error

    def bring(self, people: People, record: ImportRecord, *, apply: bool) -> None:
        """Check, and with ``apply`` write and check again."""
        report = inspect(people, record)
        self.show(report)
        changed = sum(len(tally.changed) for tally in report.tallies.values())
        if not apply:
            self.stdout.write("Nothing was changed. --apply imports what is missing.")
            if report.problems or changed:
                raise CommandError("Something does not fit or differs, see above.")
            return
        after = import_people(people, record, say=self.stdout.write)
        self.show(after)
        if not after.complete:
            raise CommandError("Not done: the two databases differ, see above.")
        self.stdout.write(self.style.SUCCESS(f"Done and verified. What was created: {record.path}"))

    def undo(self, record: ImportRecord) -> None:
        if not record.exists:
            raise CommandError(f"There is no record {record.path}.")
        stays = undo_import(record, say=self.stdout.write)
        for name, ids in stays.items():
            self.stdout.write(self.style.WARNING(f"left over  {name}: {self.sample(ids)}"))
        if stays:
            raise CommandError(f"{sum(map(len, stays.values()))} rows stay, because something refers to them.")
        self.stdout.write(self.style.SUCCESS("Everything that the import created is gone."))

    def show(self, report: Report) -> None:
        """Counts and ids, never names or addresses."""
        for name, tally in report.tallies.items():
            line = f"{name:26} {tally.read} to bring, {tally.equal} here, {tally.missing} missing, {len(tally.changed)} changed"
            self.stdout.write(line + (f": {self.sample(tally.changed)}" if tally.changed else ""))
        for notice, count in sorted(report.notices.items()):
            self.stdout.write(f"note       {notice}: {count}")
        for code, ids in sorted(report.problems.items()):
            self.stdout.write(self.style.ERROR(f"problem    {code}: {len(ids)} rows: {self.sample(ids)}"))
        self.stdout.write(f"digest of (customer id, user id, e-mail): old {report.old_digest[:16]}, here {report.new_digest[:16]}")

    def sample(self, ids: list[int]) -> str:
        return ", ".join(map(str, ids[:SAMPLE])) + (" …" if len(ids) > SAMPLE else "")
