import csv
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
from apps.legacy.services.packages import KIND, LeftOver, Plan, apply_moves, plan_moves

DEFAULT_SOURCE = 1  # where the old migration put every package
BATCH = 100


class Command(BaseCommand):
    help = (
        "Moves packages that an old migration put under the wrong account. Without --apply or --undo it changes nothing and "
        "writes a plan. Exit code 1 when something is left over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="source", metavar="SLUG", help="The account the packages are wrongly in (default: account 1).")
        parser.add_argument("--map", type=Path, metavar="FILE", help="CSV: package id, slug of the account it belongs to.")
        parser.add_argument("--package", type=int, action="append", metavar="ID", help="A package to move; may be repeated.")
        parser.add_argument("--to", metavar="SLUG", help="Where the packages named by --package belong.")
        parser.add_argument("--accept-currency", action="store_true", help="Also move priced packages where another currency is used.")
        parser.add_argument("--plan", type=Path, metavar="FILE", help="Where to write the plan (default: a new file in DATA_DIR/plans).")
        doing = parser.add_mutually_exclusive_group()
        doing.add_argument("--apply", type=Path, metavar="PLAN", help="Do what this plan says.")
        doing.add_argument("--undo", type=Path, metavar="PLAN", help="Move back what this plan moved.")

    def handle(self, *args: Any, **options: Any) -> None:
        file = options["apply"] or options["undo"]
        choosing = [name for name in ("source", "map", "package", "to", "accept_currency", "plan") if options[name]]
        if file and choosing:
            raise CommandError("--apply and --undo do what their plan says: no other option goes with them.")
        try:
            with only_run(KIND), acting(None, "command"):
                left_over = self.carry_out(file, undo=bool(options["undo"])) if file else self.plan(**options)
        except DomainError as error:
            raise CommandError(error.message) from error
        if left_over:
            raise CommandError(f"{left_over} packages are left over.")

    def plan(self, **options: Any) -> int:
        """The dry run; returns how many packages cannot move."""
        source = self.source(options["source"])
        targets = self.targets(source, options)
        plan = plan_moves(source=source, targets=targets, any_currency=options["accept_currency"])
        for move in plan.moves:
            self.stdout.write(f"can move   package {move.package_id}  {source.slug} → {targets[move.package_id].slug}")
        self.show(plan.left_over)
        path = options["plan"] or Path(settings.DATA_DIR) / "plans" / f"{KIND}-{timezone.now():%Y%m%dT%H%M%S%f}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(plan.as_json(), file, indent=1)
        except FileExistsError as error:
            raise CommandError(f"{path} exists already: a plan is not overwritten.") from error
        self.stdout.write(f"Nothing was changed. {len(plan.moves)} can move, {len(plan.left_over)} cannot. Plan: {path}")
        return len(plan.left_over)

    def carry_out(self, file: Path, *, undo: bool) -> int:
        """Apply or undo; returns how many packages did not get where they should be."""
        plan = Plan.from_json(self.read(file))
        moves = [move.reversed() for move in reversed(plan.moves)] if undo else plan.moves
        left_over = [] if undo else list(plan.left_over)
        moved, already = [], []
        for start in range(0, len(moves), BATCH):
            outcome = apply_moves(moves[start : start + BATCH])
            moved += outcome.moved
            already += outcome.already
            left_over += outcome.left_over
            self.stdout.write(f"{min(start + BATCH, len(moves))} of {len(moves)}")
        self.show(left_over)
        ids = ", ".join(str(one) for one in moved)
        done = "Moved back" if undo else "Moved"
        self.stdout.write(f"{done} {len(moved)}: {ids or 'none'}. Already there: {len(already)}. Left over: {len(left_over)}.")
        return len(left_over)

    def source(self, slug: str | None) -> Account:
        """The account named, or the one the old migration used; it is always said which."""
        account = Account.objects.filter(slug=slug).first() if slug else Account.objects.filter(pk=DEFAULT_SOURCE).first()
        if account is None:
            raise CommandError(f"There is no account {slug}." if slug else f"There is no account {DEFAULT_SOURCE}: name one with --from.")
        self.stdout.write(f"From: {account.slug} (account {account.pk}{'' if slug else ', the default; --from names another'})")
        return account

    def targets(self, source: Account, options: dict[str, Any]) -> dict[int, Account]:
        """Which package goes where; only what was named."""
        if bool(options["map"]) == bool(options["package"]) or bool(options["package"]) != bool(options["to"]):
            raise CommandError("Say which packages go where: --map FILE, or --package ID --to SLUG.")
        wanted = self.rows(options["map"]) if options["map"] else [(package, options["to"]) for package in options["package"]]
        accounts = {account.slug: account for account in Account.objects.filter(slug__in={slug for _, slug in wanted})}
        targets: dict[int, Account] = {}
        for package, slug in wanted:
            if slug not in accounts:
                raise CommandError(f"There is no account {slug} (package {package}).")
            if accounts[slug].status != Account.Status.ACTIVE:
                raise CommandError(f"The account {slug} is closed (package {package}).")
            if accounts[slug] == source:
                raise CommandError(f"Package {package} is to go where it comes from.")
            if targets.setdefault(package, accounts[slug]) != accounts[slug]:
                raise CommandError(f"Package {package} is named with two accounts.")
        return targets

    def rows(self, path: Path) -> list[tuple[int, str]]:
        """The lines of the CSV file; a first line of column names is passed over."""
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                lines = [(number, [cell.strip() for cell in line]) for number, line in enumerate(csv.reader(file), start=1) if any(line)]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        if lines and len(lines[0][1]) == 2 and not lines[0][1][0].isdigit():
            del lines[0]
        for number, line in lines:
            if len(line) != 2 or not line[0].isdigit():
                raise CommandError(f"{path}, line {number}: a package id and the slug of an account are expected.")
        return [(int(line[0]), line[1]) for _, line in lines]

    def read(self, path: Path) -> Any:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error

    def show(self, left_over: list[LeftOver]) -> None:
        for one in left_over:
            self.stdout.write(self.style.WARNING(f"left over  package {one.package_id}  {one.reason}: {one.detail}"))
