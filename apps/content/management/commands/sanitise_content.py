from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.content.sanitising import POLICY_VERSION
from apps.content.services.renewing import renew_everywhere


class Command(BaseCommand):
    """Makes the HTML of posts, comments and answers anew from their text; can be repeated and interrupted."""

    help = "Make the HTML of content anew that an older sanitising policy has made (--all: whatever has made it)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="Also what the present policy has made.")

    def handle(self, *args: Any, **options: Any) -> None:
        renewed = renew_everywhere(everything=options["all"])
        self.stdout.write(f"{renewed} texts have HTML of policy {POLICY_VERSION} now.")
