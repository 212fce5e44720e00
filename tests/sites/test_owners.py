"""Who owns what: source 003's services and properties."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from apps.core.errors import Invalid
from apps.core.models import Event
from apps.core.tenancy import account_scope, customer_scope
from apps.sites.errors import DuplicateOwnership, SiteNotOwned
from apps.sites.models import Site, SiteOwnership
from apps.sites.services import (
    add_site_to_customer,
    archive_site,
    get_customer_sites,
    get_site_owners,
    remove_site_from_customer,
    restore_site,
    set_primary_site,
    update_site,
    verify_site_ownership,
)
from apps.users.models import Customer
from factories.clients import ClientFactory
from factories.sites import SiteFactory, SiteOwnershipFactory
from factories.users import CustomerFactory
from tests.studio import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(account) -> Customer:
    return ClientFactory(account=account, customer=CustomerFactory(full_name="Joe")).customer


@pytest.fixture
def sites(account) -> list[Site]:
    return [SiteFactory(account=account, slug=slug) for slug in ("plumber-joe", "roofer-bob", "baker-ann")]


def give(site: Site, customer: Customer, days: int = 0, **options: Any) -> SiteOwnership:
    with account_scope(site.account):
        return add_site_to_customer(site, customer=customer, at=NOW + timedelta(days=days), **options)


def owned(customer: Customer, account: Any) -> list[str]:
    """What a customer has, as slugs; the primary one with a star."""
    with account_scope(account):
        return [f"{row.site.slug}{'*' * row.is_primary}" for row in get_customer_sites(customer)]


def said(account: Any, type_: str) -> list[dict[str, Any]]:
    with account_scope(account):
        return list(Event.objects.filter(type=type_).order_by("pk").values_list("changes", flat=True))


# -- giving and taking back


def test_first_site_becomes_primary_and_later_ones_only_when_asked(account, customer, sites):
    first = give(sites[0], customer)
    give(sites[1], customer, 1)

    assert (first.role, first.is_owner, first.is_primary, first.acquired_at) == ("owner", True, True, NOW)
    assert owned(customer, account) == ["plumber-joe*", "roofer-bob"]

    give(sites[2], customer, 2, is_primary=True)

    assert owned(customer, account) == ["baker-ann*", "plumber-joe", "roofer-bob"]
    assert said(account, "site.owner_added")[0] == {
        "site": [None, str(sites[0].site_id)],
        "role": [None, "owner"],
        "origin": [None, "staff"],
    }
    assert [change["site"] for change in said(account, "site.primary_changed")] == [
        [None, str(sites[0].site_id)],
        [str(sites[0].site_id), str(sites[2].site_id)],
    ]


def test_the_same_site_twice_is_refused_and_may_come_back_after_it_was_given_up(account, customer, sites):
    give(sites[0], customer)

    with account_scope(account), pytest.raises(DuplicateOwnership), transaction.atomic():
        add_site_to_customer(sites[0], customer=customer)

    with account_scope(account):
        remove_site_from_customer(sites[0], customer=customer, at=NOW + timedelta(days=1))
    assert owned(customer, account) == []
    give(sites[0], customer, 2)
    assert owned(customer, account) == ["plumber-joe*"]
    with account_scope(account):
        assert [row.ended_at is None for row in get_site_owners(sites[0], ended=True)] == [True, False]


def test_only_clients_of_the_account_may_own_its_sites(account, other_account, customer, sites):
    stranger = ClientFactory(account=other_account, customer=CustomerFactory()).customer

    with account_scope(account), pytest.raises(Invalid) as refused, transaction.atomic():
        add_site_to_customer(sites[0], customer=stranger)
    assert refused.value.fields == {"customer": ["This customer is not a client of the account."]}

    mine = give(sites[0], customer)
    with account_scope(account), pytest.raises(IntegrityError, match="sites_siteownership_customer_of_account"), transaction.atomic():
        SiteOwnership.objects.filter(pk=mine.pk).update(customer=stranger)


def test_removing_the_primary_site_promotes_the_earliest_other(account, customer, sites):
    for days, site in enumerate(sites):
        give(site, customer, days)

    with account_scope(account):
        ended = remove_site_from_customer(sites[0], customer=customer, at=NOW + timedelta(days=9))

    assert (ended.is_primary, ended.ended_at) == (False, NOW + timedelta(days=9))
    assert owned(customer, account) == ["roofer-bob*", "baker-ann"]
    with account_scope(account), pytest.raises(SiteNotOwned), transaction.atomic():
        remove_site_from_customer(sites[0], customer=customer)


def test_setting_the_primary_site_unmarks_the_other(account, customer, sites):
    for days, site in enumerate(sites[:2]):
        give(site, customer, days)

    with account_scope(account):
        assert set_primary_site(sites[1], customer=customer).is_primary

    assert owned(customer, account) == ["roofer-bob*", "plumber-joe"]
    with account_scope(account):
        events = Event.objects.count()
        set_primary_site(sites[1], customer=customer)
        assert Event.objects.count() == events, "it was that already"
        with pytest.raises(SiteNotOwned), transaction.atomic():
            set_primary_site(sites[2], customer=customer)


def test_an_archived_site_is_owned_by_nobody_to_see_and_cannot_be_primary(account, customer, sites):
    for days, site in enumerate(sites[:2]):
        give(site, customer, days)

    with account_scope(account):
        archive_site(sites[0])
        assert not verify_site_ownership(customer, site_id=sites[0].site_id)
        with pytest.raises(SiteNotOwned), transaction.atomic():
            set_primary_site(sites[0], customer=customer)
    assert owned(customer, account) == ["roofer-bob*"]

    with account_scope(account):
        update_site(sites[1], status="archived")
        assert not SiteOwnership.objects.filter(is_primary=True).exists()
        update_site(sites[1], status="suspended")
    assert owned(customer, account) == ["roofer-bob*"]

    with account_scope(account):
        restore_site(sites[0])
    assert owned(customer, account) == ["roofer-bob*", "plumber-joe"], "the present one stays"
    assert [change["status"] for change in said(account, "site.archived")] == [["active", "archived"]] * 2
    assert [change["status"] for change in said(account, "site.restored")] == [["archived", "suspended"], ["archived", "active"]]


def test_an_archived_site_takes_no_new_owner(account, customer, sites):
    with account_scope(account):
        archive_site(sites[0])
        with pytest.raises(Invalid), transaction.atomic():
            add_site_to_customer(sites[0], customer=customer)


def test_changes_of_a_site_are_told_once(account, sites):
    with account_scope(account):
        update_site(sites[0], site_title="New", slug="plumber-joe")
        update_site(sites[0], site_title="New")
    assert said(account, "site.updated") == [{"site_title": [sites[0].site_title, "New"]}]

    with account_scope(account), pytest.raises(Invalid) as refused, transaction.atomic():
        update_site(sites[0], slug="roofer-bob")
    assert refused.value.fields == {"slug": ["A site with this slug exists already."]}


# -- questions


def test_properties_of_the_site(account, customer, sites):
    site, partner, helper = sites[0], *(ClientFactory(account=account, customer=CustomerFactory()).customer for _ in range(2))
    with account_scope(account):
        assert (site.primary_owner, site.all_owners, site.is_owned_by(customer)) == (None, [], False)

    give(site, helper, 0, role="collaborator")
    give(site, customer, 1)
    give(site, partner, 2)

    with account_scope(account):
        assert site.primary_owner == customer
        assert site.all_owners == [customer, partner, helper]
        assert site.is_owned_by(customer)
        assert site.is_owned_by(partner.pk)
        remove_site_from_customer(site, customer=customer)
        assert not site.is_owned_by(customer)
        assert site.primary_owner == partner


def test_properties_of_the_customer(account, customer, sites):
    with account_scope(account):
        assert (customer.has_site, customer.has_multiple_sites, customer.site_count, customer.sites) == (False, False, 0, [])
        assert (customer.primary_site, customer.get_primary_ownership(), customer.owns_site(sites[0])) == (None, None, False)

    first = give(sites[0], customer)
    with account_scope(account):
        assert (customer.has_site, customer.has_multiple_sites, customer.site_count) == (True, False, 1)
    give(sites[1], customer, 1, is_primary=True)

    with account_scope(account):
        assert (customer.has_multiple_sites, customer.site_count, customer.sites) == (True, 2, [sites[1], sites[0]])
        assert (customer.primary_site, customer.get_primary_ownership().site) == (sites[1], sites[1])
        assert [customer.owns_site(s) for s in sites] == [True, True, False]
        assert [customer.owns_site(s.site_id) for s in sites] == [True, True, False]
        assert not customer.owns_site(uuid4())
        assert [verify_site_ownership(customer, site_id=s.site_id) for s in sites] == [True, True, False]
        assert first in customer.owned_sites.all()


def test_the_primary_site_over_all_accounts_is_the_one_acquired_first(account, other_account, customer, sites):
    there = ClientFactory(account=other_account, customer=customer)
    elsewhere = SiteFactory(account=other_account, slug="bakery")
    give(sites[0], customer, 5)
    give(sites[1], customer, 6, is_primary=True)
    give(elsewhere, customer, 3)
    with account_scope(account):
        here = customer.clients.get().pk

    with customer_scope(customer.user_id, [here, there.pk], [account.pk, other_account.pk]):
        assert customer.primary_site == elsewhere
        assert customer.site_count == 3
        assert {row.site for row in customer.owned_sites.filter(is_primary=True)} == {sites[1], elsewhere}
    with account_scope(account):
        assert customer.primary_site == sites[1], "each account shows its own"
        assert customer.site_count == 2


# -- what the database refuses by itself


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("sites_siteownership_one_primary", {"is_primary": True}),
        ("sites_siteownership_somebody", {"customer": None}),
        ("sites_siteownership_period", {"ended_at": NOW - timedelta(days=400)}),
        ("sites_siteownership_primary_is_current", {"is_primary": True, "ended_at": NOW + timedelta(days=400)}),
    ],
)
def test_rows_that_cannot_be_are_refused(account, customer, sites, constraint, change):
    give(sites[0], customer)
    second = give(sites[1], customer, 1)

    with account_scope(account), pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        SiteOwnership.objects.filter(pk=second.pk).update(**change)


def test_one_site_cannot_be_owned_twice_at_once(account, customer, sites):
    first = give(sites[0], customer)

    with pytest.raises(IntegrityError, match="sites_siteownership_once"), transaction.atomic():
        SiteOwnershipFactory(account=account, client=first.client, site=sites[0], is_primary=False)


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ftp://example.test/", "//example.test"])
def test_the_address_of_a_site_is_a_web_address(account, address):
    with pytest.raises(IntegrityError, match="sites_site_web_address"), transaction.atomic():
        SiteFactory(account=account, site_url=address)
