"""Changing packages."""

from collections.abc import Sequence
from typing import Any

from apps.core.db import joined
from apps.packages.models import Package, PackageItem


@joined
def create_package(*, account_id: int, items: Sequence[dict[str, Any]] = (), **fields: Any) -> Package:
    """A package with its items, in the order given. ``items``: {service, quantity}."""
    package = Package.objects.create(account_id=account_id, **fields)
    set_items(package, items)
    return package


@joined
def update_package(package: Package, *, items: Sequence[dict[str, Any]] | None = None, **fields: Any) -> Package:
    """Change fields and, when given, replace all items. Packages that were sold keep their snapshot."""
    if fields:
        for name, value in fields.items():
            setattr(package, name, value)
        package.save(update_fields=[*fields, "updated_at"])
    if items is not None:
        package.items.all().delete()  # type: ignore[attr-defined]
        set_items(package, items)
        if not fields:
            package.save(update_fields=["updated_at"])
    return package


def set_items(package: Package, items: Sequence[dict[str, Any]]) -> None:
    """Write the items of a package that has none."""
    PackageItem.objects.bulk_create(
        PackageItem(
            account_id=package.account_id,
            package=package,
            service=item["service"],
            quantity=item.get("quantity", 1),
            position=position,
        )
        for position, item in enumerate(items, start=1)
    )
