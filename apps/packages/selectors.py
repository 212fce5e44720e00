"""What a package consists of."""

from dataclasses import dataclass

from apps.catalog.models import Service
from apps.core.money import split
from apps.packages.models import Package


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """One session to be sold: its place in the order and its share of the price in cents."""

    position: int
    service: Service
    price_cents: int


def session_plan(package: Package) -> list[PlannedSession]:
    """One entry per session in booking order, its share of the price in cents; the shares sum to ``price_cents``.

    Shares follow the services' list prices (rules.md §2); equal list prices give the even split.
    """
    items = package.items.select_related("service").order_by("position")  # type: ignore[attr-defined]
    services = [item.service for item in items for _ in range(item.quantity)]
    if not services:
        return []
    shares = split(package.price_cents, [service.price_cents for service in services])
    return [PlannedSession(i, service, share) for i, (service, share) in enumerate(zip(services, shares, strict=True), start=1)]
