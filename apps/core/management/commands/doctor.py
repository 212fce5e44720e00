from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.doctor import SAMPLE, findings
from apps.core.tenancy import platform_scope


class Command(BaseCommand):
    help = "Checks every invariant of the data. Exit code 1 when one is broken; prints ids only."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        with platform_scope("doctor"):
            for one, found in findings():
                if not found:
                    self.stdout.write(f"ok      {one.code}  {one.says}")
                    continue
                broken += 1
                ids = ", ".join(" ".join(str(value) for value in row) for row in found[:SAMPLE])
                self.stdout.write(self.style.ERROR(f"BROKEN  {one.code}  {one.says}  {len(found)} rows: {ids}"))
        if broken:
            raise CommandError(f"{broken} invariants are broken.")
        self.stdout.write(self.style.SUCCESS("Everything is sound."))
