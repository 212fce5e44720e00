import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts.models import Account
from apps.core.errors import DomainError
from apps.core.events import acting
from apps.legacy.locking import only_run
from apps.legacy.old_database import opened
from apps.legacy.services.sites import KIND, LeftOver, Plan, apply_conversion, plan_conversion, undo_conversion


class Command(BaseCommand):
    help = (
        "Brings sites and their owners from a database in which a customer has one site at most (customer_users.site_id). Without "
        "--apply or --undo it changes nothing and writes a plan. Exit code 1 when something is left over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source", metavar="DSN", help="The old database; give the password by PGPASSWORD or a service file.")
        parser.add_argument("--account", metavar="SLUG", help="The account that makes these sites. Their owners are its clients already.")
        parser.add_argument("--plan", type=Path, metavar="FILE", help="Where to write the plan (default: a new file in DATA_DIR/plans).")
        doing = parser.add_mutually_exclusive_group()
        doing.add_argument("--apply", type=Path, metavar="PLAN", help="Do what this plan says.")
        doing.add_argument("--undo", type=Path, metavar="PLAN", help="Take away what this plan has brought.")

    def handle(self, *args: Any, **options: Any) -> None:
        file, choosing = options["apply"] or options["undo"], [options["source"], options["account"]]
        if file and any([*choosing, options["plan"]]):
            raise CommandError("--apply and --undo do what their plan says: no other option goes with them.")
        if not file and not all(choosing):
            raise CommandError("Give the old database with --source DSN, and --account SLUG.")
        try:
            with only_run(KIND), acting(None, "command"):
                left_over = self.carry_out(file, undo=bool(options["undo"])) if file else self.plan(**options)
        except DomainError as error:
            raise CommandError(error.message) from error
        if left_over:
            raise CommandError(f"{left_over} rows are left over.")

    def plan(self, **options: Any) -> int:
        """The dry run; returns how many old rows cannot be brought."""
        account = Account.objects.filter(slug=options["account"], status=Account.Status.ACTIVE).first()
        if account is None:
            raise CommandError(f"There is no open account {options['account']}.")
        with opened(options["source"]) as old:
            plan = plan_conversion(old, account)
        self.show(plan.left_over)
        path = options["plan"] or Path(settings.DATA_DIR) / "plans" / f"{KIND}-{timezone.now():%Y%m%dT%H%M%S%f}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(plan.as_json(), file, indent=1)
        except FileExistsError as error:
            raise CommandError(f"{path} exists already: a plan is not overwritten.") from error
        counts = f"{len(plan.sites)} sites, {len(plan.owners)} ownerships, {len(plan.left_over)} rows left over"
        self.stdout.write(f"Nothing was changed. {counts}. Plan: {path}")
        return len(plan.left_over)

    def carry_out(self, path: Path, *, undo: bool) -> int:
        """Apply or undo; returns how many rows are left over."""
        try:
            plan = Plan.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        outcome = undo_conversion(plan) if undo else apply_conversion(plan)
        self.show(outcome.left_over)
        done = "Taken away" if undo else "Brought"
        self.stdout.write(f"{done}: {outcome.done}. Already so: {outcome.already}. Left over: {len(outcome.left_over)}.")
        return len(outcome.left_over)

    def show(self, left_over: list[LeftOver]) -> None:
        """Ids and reasons, never names or addresses."""
        for one in left_over:
            self.stdout.write(self.style.WARNING(f"left over  {one.old_id}  {one.reason}  {one.detail}".rstrip()))
