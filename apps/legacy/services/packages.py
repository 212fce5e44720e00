"""Moving packages that an old migration put under the wrong account (source 000, rules.md §13)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Account
from apps.catalog.models import Service
from apps.core.db import constraint_error
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.core.tenancy import platform_scope
from apps.packages.models import Package, PackageItem

KIND = "reassign_packages"
NOT_COPIED = ("created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Move:
    """One package before and after: its columns, the account's currency and its items, all JSON values."""

    package_id: int
    before: dict[str, Any]
    after: dict[str, Any]

    def reversed(self) -> "Move":
        """The way back."""
        return Move(self.package_id, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A package that stays where it is: ``not_found``, ``in_use``, ``name_taken``, ``services_missing``, ``currency``, ``changed``."""

    package_id: int
    reason: str
    detail: str = ""


@dataclass(slots=True)
class Plan:
    """What a run would do, as it is written to the plan file."""

    moves: list[Move] = field(default_factory=list)
    left_over: list[LeftOver] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"kind": KIND, "made_at": timezone.now().isoformat(), **asdict(self)}

    @classmethod
    def from_json(cls, content: Any) -> "Plan":
        """Raises Invalid for anything that ``as_json`` has not made."""
        try:
            if content["kind"] != KIND:
                raise Invalid(f"This is a plan of {content['kind']}.")
            plan = cls([Move(**one) for one in content["moves"]], [LeftOver(**one) for one in content["left_over"]])
            accounts = [(one.package_id, one.before["account_id"], one.after["account_id"]) for one in plan.moves]
        except (KeyError, TypeError) as error:
            raise Invalid("This is not a plan file of reassign_packages.") from error
        if not all(isinstance(value, int) for row in accounts for value in row):
            raise Invalid("This is not a plan file of reassign_packages.")
        return plan


@dataclass(slots=True)
class Outcome:
    """Ids of packages: moved now, already where they belong, and those that stay, with the reason."""

    moved: list[int] = field(default_factory=list)
    already: list[int] = field(default_factory=list)
    left_over: list[LeftOver] = field(default_factory=list)


class _Refused(Exception):
    """Why a package cannot move."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


def plan_moves(*, source: Account, targets: Mapping[int, Account], any_currency: bool = False) -> Plan:
    """What moving each package of ``source`` to its target would change; nothing is written.

    Without ``any_currency`` a package with a price stays when the target counts in another currency: its cents would
    become a different amount.
    """
    plan = Plan()
    with platform_scope(f"plan to move {len(targets)} packages out of account {source.pk}"):
        for package_id, target in sorted(targets.items(), key=lambda pair: pair[0]):
            try:
                move = _prepare(package_id, source.pk, target.pk)
                if move.before["price_cents"] and move.before["currency"] != move.after["currency"] and not any_currency:
                    raise _Refused("currency", f"{move.before['currency']} is not {move.after['currency']}")
                plan.moves.append(move)
            except _Refused as refusal:
                plan.left_over.append(LeftOver(package_id, refusal.reason, refusal.detail))
    return plan


def apply_moves(moves: Iterable[Move]) -> Outcome:
    """Move each package in a transaction of its own, under lock, if it is still exactly as planned.

    A package that is already in the planned state counts as done, so a run that was interrupted can be repeated. Emits
    ``package.moved`` in the logs of both accounts.
    """
    outcome = Outcome()
    for move in moves:
        try:
            with transaction.atomic(), platform_scope(f"move package {move.package_id}"):
                done = _apply(move, at=timezone.now())
        except _Refused as refusal:
            outcome.left_over.append(LeftOver(move.package_id, refusal.reason, refusal.detail))
        else:
            (outcome.moved if done else outcome.already).append(move.package_id)
    return outcome


def _apply(move: Move, *, at: datetime) -> bool:
    """True when the package was moved now, False when it stood in the target as planned."""
    package = Package.objects.select_for_update(of=("self",)).select_related("account").filter(pk=move.package_id).first()
    if package is None:
        raise _Refused("not_found", "there is no such package any more")
    if _state(package) == move.after:
        return False
    if _prepare(move.package_id, move.before["account_id"], move.after["account_id"]) != move:
        raise _Refused("changed", "the package or the services differ from the plan")
    package.items.all().delete()  # type: ignore[attr-defined]
    _remember(package, "-", at)
    package.account_id, package.updated_at = move.after["account_id"], at
    # What came in between: the database has the last word.
    constraints: dict[str, Callable[[], Exception]] = {
        "packages_package_unique_name": lambda: _Refused("name_taken", package.package_name),
        "orders_order_package_account": lambda: _Refused("in_use", "order"),
    }
    with constraint_error(constraints):
        Package.objects.filter(pk=package.pk).update(account_id=package.account_id, updated_at=at)
    PackageItem.objects.bulk_create(
        PackageItem(
            pk=item["id"],
            account_id=package.account_id,
            package_id=package.pk,
            service_id=item["service_id"],
            quantity=item["quantity"],
            position=item["position"],
        )
        for item in move.after["items"]
    )
    _remember(package, "+", at)
    accounts = [move.before["account_id"], move.after["account_id"]]
    for account_id in accounts:
        emit("package.moved", package, changes={"account": accounts}, account_id=account_id)
    return True


def _prepare(package_id: int, source_id: int, target_id: int) -> Move:
    """The move as things stand now. Raises _Refused."""
    package = Package.objects.select_related("account").filter(pk=package_id, account_id=source_id).first()
    if package is None:
        raise _Refused("not_found", f"account {source_id} has no such package")
    if users := _users_of(package):
        raise _Refused("in_use", ", ".join(users))
    if Package.objects.filter(account_id=target_id, package_name=package.package_name).exists():
        raise _Refused("name_taken", package.package_name)
    before = _state(package)
    names = dict(package.items.values_list("service_id", "service__name"))  # type: ignore[attr-defined]
    there = dict(Service.objects.filter(account_id=target_id, name__in=names.values()).values_list("name", "pk"))
    if missing := sorted(set(names.values()) - set(there)):
        raise _Refused("services_missing", ", ".join(missing))
    target = Account.objects.filter(pk=target_id).first()
    if target is None:
        raise _Refused("not_found", f"there is no account {target_id} any more")
    items = [{**item, "service_id": there[names[item["service_id"]]]} for item in before["items"]]
    return Move(package_id, before, {**before, "account_id": target_id, "currency": target.currency, "items": items})


def _users_of(package: Package) -> list[str]:
    """The models whose rows refer to the package, its own items aside."""
    relations = [one for one in Package._meta.related_objects if one.related_model is not PackageItem]
    models = [one.related_model for one in relations if one.related_model._base_manager.filter(**{one.field.name: package}).exists()]
    return [str(model._meta.verbose_name) for model in models]


def _state(package: Package) -> dict[str, Any]:
    """Everything about a package that a plan compares."""
    columns = {one.attname: getattr(package, one.attname) for one in Package._meta.concrete_fields if one.name not in NOT_COPIED}
    items = package.items.order_by("position").values("id", "service_id", "quantity", "position")  # type: ignore[attr-defined]
    return {**columns, "currency": package.account.currency, "items": list(items)}


def _remember(package: Package, kind: str, at: datetime) -> None:
    """A row of history in the package's present account, which ends ("-") or begins ("+") there."""
    record = Package.history.model
    values = {one.attname: getattr(package, one.attname) for one in record.tracked_fields}
    record._base_manager.create(**values, history_type=kind, history_date=at, history_change_reason=KIND)
