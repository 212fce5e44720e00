"""A small studio to sell and book in: one service, one practitioner with hours, one client, one package."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

import pytest

from apps.accounts.models import Account
from apps.bookings.models import Booking
from apps.catalog.models import Practitioner, Service
from apps.checkout.services import Sale, sell
from apps.clients.models import Client
from apps.core.tenancy import account_scope
from apps.packages.models import Package
from factories.accounts import AccountFactory
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.clients import ClientFactory
from factories.packages import PackageFactory, PackageItemFactory
from factories.scheduling import WeeklyHoursFactory

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)  # a Saturday
MONDAY_TEN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # 10:00 in Berlin


@dataclass
class Studio:
    account: Account
    service: Service
    practitioner: Practitioner
    client: Client
    package: Package

    def sell(self, **options: Any) -> Sale:
        """Sell the package (or what ``options`` say) for cash at NOW."""
        defaults = {"account": self.account, "client": self.client, "method": "cash", "at": NOW}
        what = {} if "service" in options or "package" in options else {"package": self.package}
        with account_scope(self.account):
            return sell(**{**defaults, **what, **options})

    def draft(self, **options: Any) -> Booking:
        """A fresh draft session of the studio's service, sold singly to its client (or what ``options`` say)."""
        return self.sell(**{"service": self.service, **options}).bookings[0]

    def other_client(self) -> Client:
        """Somebody else: one client takes one place of an occurrence."""
        return ClientFactory(account=self.account)


def open_studio(account: Account | None = None, *, quantity: int = 3, price_cents: int = 10000, **service: Any) -> Studio:
    """Open Monday to Friday 09:00 to 17:00 local; the package holds ``quantity`` sessions for ``price_cents``."""
    account = account or AccountFactory()
    offered = OfferingFactory(
        account=account, service=ServiceFactory(account=account, **service), practitioner=PractitionerFactory(account=account)
    )
    for weekday in range(5):
        WeeklyHoursFactory(account=account, practitioner=offered.practitioner, weekday=weekday, start=time(9), end=time(17))
    package = PackageFactory(account=account, price_cents=price_cents)
    PackageItemFactory(account=account, package=package, service=offered.service, quantity=quantity)
    return Studio(account, offered.service, offered.practitioner, ClientFactory(account=account), package)


@pytest.fixture
def studio(account: Account) -> Studio:
    return open_studio(account)


@pytest.fixture
def make_studio(db: None) -> Callable[..., Studio]:
    return open_studio
