"""Two records of one person become one: so do their sites (rules.md §13)."""

import pytest
from django.db import transaction

from apps.clients.errors import MergeChanged
from apps.clients.models import Client
from apps.clients.services.merging import merge_clients, undo_merge
from apps.core.errors import InvalidTransition
from apps.core.tenancy import account_scope
from apps.sites.models import SiteOwnership
from apps.sites.services import accept_transfer, add_site_to_customer, offer_transfer, remove_site_from_customer
from factories.clients import ClientFactory
from tests.bookings.life import broken
from tests.sites.life import Agency
from tests.studio import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def agency(account) -> Agency:
    return Agency(account)


def rows(agency):
    with account_scope(agency.account):
        found = SiteOwnership.objects.order_by("pk")
        return list(found.values_list("site__slug", "client_id", "customer_id", "role", "is_primary", "ended_at"))


def merge(agency, winner, loser, **options):
    with account_scope(agency.account):
        both = [Client.objects.get(pk=one.pk) for one in (winner, loser)]
        return merge_clients(both[0], other=both[1], **options)


def undo(agency, made):
    with account_scope(agency.account):
        undo_merge(made)


def test_sites_of_both_are_the_winners_with_one_primary_and_go_back_again(agency):
    ann = agency.person("Ann")
    agency.give("a")
    agency.give("b", ann)
    agency.give("c", ann, 1, is_primary=True)
    before = rows(agency)

    made = merge(agency, agency.joe, ann)

    assert agency.owned(agency.joe) == ["a*", "b", "c"]
    assert broken("I22", "I23", "I23.clients") == {}
    undo(agency, made)
    assert rows(agency) == before
    assert broken("I22", "I23", "I23.clients") == {}


def test_a_site_that_both_own_is_owned_once_by_the_better_role(agency):
    ann = agency.person("Ann")
    agency.give("a", role="collaborator")
    agency.give("a", ann)
    before = rows(agency)

    made = merge(agency, agency.joe, ann)

    with account_scope(agency.account):
        (left,) = SiteOwnership.objects.current()
    assert (left.client_id, left.role, left.is_primary) == (agency.joe.pk, "owner", True)
    assert broken("I22", "I23", "I23.clients") == {}
    undo(agency, made)
    assert rows(agency) == before


@pytest.mark.parametrize("chosen", [False, True])
def test_the_login_that_stays_owns_them(agency, chosen):
    """The loser has the login, or its login is chosen."""
    winner = agency.person("Win") if chosen else ClientFactory(account=agency.account, full_name="Win")
    if chosen:
        agency.give("b", winner)
    agency.give("a")
    before = rows(agency)

    made = merge(agency, winner, agency.joe, fields={"customer": agency.joe.pk})

    assert agency.owned(agency.joe.customer) == (["b*", "a"] if chosen else ["a*"])
    assert {row[1] for row in rows(agency)} == {winner.pk}
    assert broken("I22", "I23", "I23.clients") == {}
    undo(agency, made)
    assert rows(agency) == before
    assert broken("I22", "I23", "I23.clients") == {}


def test_what_was_changed_since_keeps_the_merge(agency):
    ann = agency.person("Ann")
    agency.give("a", ann)
    made = merge(agency, agency.joe, ann)
    with account_scope(agency.account):
        remove_site_from_customer(agency.sites["a"], customer=agency.joe.customer)

    with pytest.raises(MergeChanged):
        undo(agency, made)


def test_an_offer_to_the_loser_is_the_winners_and_one_between_them_stays(agency):
    ann, bob = agency.person("Ann"), agency.person("Bob")
    agency.give("a")
    agency.give("b", bob)
    between = agency.do(offer_transfer, agency.sites["a"], customer=ann.customer, at=NOW)
    other = agency.do(offer_transfer, agency.sites["b"], customer=ann.customer, at=NOW)

    merge(agency, agency.joe, ann)

    with account_scope(agency.account):
        between.refresh_from_db()
        other.refresh_from_db()
    assert (between.from_client_id, between.client_id) == (agency.joe.pk, ann.pk)
    assert (other.from_client_id, other.client_id) == (bob.pk, agency.joe.pk)


@pytest.mark.parametrize("owned_before", [False, True])
def test_a_site_that_was_bought_since_keeps_the_merge_when_its_login_would_go_away(agency, owned_before):
    """The winner would be left without any login: nobody would own what it has got since."""
    winner = ClientFactory(account=agency.account, full_name="Win")
    if owned_before:
        agency.give("a")
    made = merge(agency, winner, agency.joe)
    with account_scope(agency.account):
        bought = add_site_to_customer(agency.sites["b"], customer=agency.joe.customer)

    with account_scope(agency.account), pytest.raises(MergeChanged) as refused, transaction.atomic():
        undo_merge(made)

    assert refused.value.extras["rows"] == {"sites.siteownership.client": [bought.pk]}
    assert broken("I22", "I23", "I23.clients") == {}


def test_a_site_that_was_bought_since_goes_by_the_login_that_the_winner_has_again(agency):
    winner = agency.person("Win")
    made = merge(agency, winner, agency.joe, fields={"customer": agency.joe.pk})
    with account_scope(agency.account):
        add_site_to_customer(agency.sites["b"], customer=agency.joe.customer)

    undo(agency, made)

    assert (agency.owned(winner), agency.owned(agency.joe)) == (["b*"], [])
    assert broken("I22", "I23", "I23.clients") == {}


def test_an_offer_of_a_site_that_was_made_since_keeps_the_merge(agency):
    ann, bob = agency.person("Ann"), agency.person("Bob")
    agency.give("a", ann)
    made = merge(agency, agency.joe, ann)
    agency.do(offer_transfer, agency.sites["a"], customer=bob.customer)

    with account_scope(agency.account), pytest.raises(MergeChanged), transaction.atomic():
        undo_merge(made)


def test_an_offer_of_what_ended_with_the_merge_can_be_accepted_no_more(agency):
    """Both owned it, and the loser's part was offered: the winner keeps the site, and nobody else gets it."""
    ann, bob = agency.person("Ann"), agency.person("Bob")
    agency.give("a")
    agency.give("a", ann)
    offer = agency.do(offer_transfer, agency.sites["a"], customer=bob.customer, from_customer=ann.customer)
    merge(agency, agency.joe, ann)
    before = rows(agency)

    with account_scope(agency.account), pytest.raises(InvalidTransition), transaction.atomic():
        accept_transfer(offer)

    assert rows(agency) == before
    assert agency.owned(bob) == []
