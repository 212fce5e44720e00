"""Twenty who want one site, and ten sites that become one client's at the same moment; with the proof that the locks are what holds."""

import time
from collections import Counter

import pytest
from django.db import transaction
from django.db.models import QuerySet

from apps.checkout import services
from apps.checkout.services import sell
from apps.checkout.sites import grant_site
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Payment
from apps.payments.services import mark_received
from apps.sites.models import Site, SiteOwnership
from apps.sites.services import owners
from factories.accounts import AccountFactory
from factories.sites import SiteFactory
from tests.bookings.life import broken
from tests.payments.test_wallet_race import at_once
from tests.sites.life import Agency
from tests.studio import NOW

pytestmark = pytest.mark.django_db(transaction=True)
BUYERS, SITES = 20, 10
OWNERS = ("I22", "I23", "I23.clients")


def twenty_buyers() -> tuple[Counter[str], int]:
    """How twenty sales of one site end, and how many orders there are then."""
    agency = Agency(AccountFactory())
    people = [agency.person(f"Buyer {number}") for number in range(BUYERS)]

    def buy(client):
        with account_scope(agency.account), transaction.atomic():
            sell(account=agency.account, client=client, method="cash", site=Site.objects.get(slug="a"), at=NOW)

    ends = at_once([lambda client=client: buy(client) for client in people])
    with account_scope(agency.account):
        return ends, Order.objects.count()


def test_of_twenty_buyers_one_gets_the_site():
    assert twenty_buyers() == (Counter(ok=1, not_for_sale=BUYERS - 1), 1)


def test_without_the_lock_only_the_constraint_is_left(monkeypatch):
    """The negative control: the check alone lets several through, and the database has to stop them."""
    look = services.open_sale_of

    def slowly(site):
        found = look(site)
        time.sleep(0.3)
        return found

    monkeypatch.setattr("apps.orders.site_sales.open_sale_of", slowly)
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)

    ends, orders = twenty_buyers()

    assert ends["IntegrityError"] > 0
    assert orders == 1


def ten_sites(repeat: int = 1) -> tuple[Counter[str], list[bool]]:
    """How it ends when ten paid sites are handed over at once, each ``repeat`` times; which of the ownerships are primary then."""
    agency = Agency(AccountFactory())
    orders = []
    with account_scope(agency.account), transaction.atomic():
        for _ in range(SITES):
            site = SiteFactory(account=agency.account)
            sale = sell(account=agency.account, client=agency.joe, method="cash", site=site, at=NOW)
            mark_received(Payment.objects.get(order=sale.order), at=NOW)
            orders.append(sale.order.pk)

    def grant(pk):
        with account_scope(agency.account), transaction.atomic():
            grant_site(Order.objects.select_related("client").get(pk=pk))

    ends = at_once([lambda pk=pk: grant(pk) for pk in orders * repeat])
    with account_scope(agency.account):
        return ends, sorted(SiteOwnership.objects.values_list("is_primary", flat=True))


def test_sites_that_are_handed_over_at_once_are_each_given_once_with_one_primary():
    assert ten_sites(repeat=2) == (Counter(ok=2 * SITES), [*[False] * (SITES - 1), True])
    assert broken(*OWNERS) == {}


def test_without_the_locks_they_get_into_each_others_way(monkeypatch):
    """The negative control."""
    settle = owners.settle_primary

    def slowly(client, **options):
        time.sleep(0.2)
        settle(client, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
    monkeypatch.setattr(owners, "settle_primary", slowly)

    ends, _ = ten_sites(repeat=2)

    assert ends["ok"] < 2 * SITES or broken(*OWNERS)
