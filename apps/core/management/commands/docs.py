from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.docs import outdated


class Command(BaseCommand):
    help = "Writes the pages of docs/ that are made from code; with --check only says which are out of date (exit code 1)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        pages = outdated()
        if options["check"] and pages:
            raise CommandError("Out of date: " + ", ".join(path.name for path in pages) + ". Run manage.py docs.")
        for path, content in pages.items():
            path.write_text(content, encoding="utf-8")
            self.stdout.write(f"wrote {path.name}")
