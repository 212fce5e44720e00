"""A site goes to a new owner, with consent."""

from datetime import timedelta

import pytest
from django.db import transaction

from apps.core.errors import Invalid, InvalidTransition
from apps.core.tenancy import account_scope
from apps.sites.errors import DuplicateOwnership
from apps.sites.services import (
    accept_transfer,
    archive_site,
    cancel_transfer,
    decline_transfer,
    end_old_offers,
    offer_transfer,
    remove_site_from_customer,
)
from apps.sites.tasks import sweep_offers
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.sites.life import Agency
from tests.studio import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=3)


@pytest.fixture
def agency(account) -> Agency:
    return Agency(account)


@pytest.fixture
def ann(agency):
    return agency.person("Ann")


def refused(agency, service, thing, error=InvalidTransition, **options):
    with account_scope(agency.account), pytest.raises(error) as said, transaction.atomic():
        service(thing, **options)
    return said.value


def test_nothing_changes_before_the_new_owner_agrees_and_then_all_of_it_does(agency, ann):
    agency.give("a")
    agency.give("b", days=1)
    agency.give("c", ann)

    offer = agency.do(offer_transfer, agency.sites["a"], customer=ann.customer, at=NOW)

    assert (offer.status, offer.client_id, offer.from_client_id, offer.expires_at) == (
        "offered",
        ann.pk,
        agency.joe.pk,
        NOW + timedelta(days=14),
    )
    assert (agency.owned(agency.joe), agency.owned(ann)) == (["a*", "b"], ["c*"])

    theirs = agency.do(accept_transfer, offer, at=LATER)

    assert (agency.owned(agency.joe), agency.owned(ann)) == (["b*"], ["c*", "a"])
    assert (theirs.role, theirs.acquired_at) == ("owner", LATER)
    with account_scope(agency.account):
        offer.refresh_from_db()
        offer.ownership.refresh_from_db()
    assert (offer.status, offer.decided_at, offer.ownership.ended_at) == ("accepted", LATER, LATER)
    assert [len(agency.said(f"site.{name}")) for name in ("transfer_offered", "transferred", "owner_removed", "owner_added")] == [
        1,
        1,
        1,
        4,
    ]
    assert agency.said("site.transfer_cancelled") == []
    assert agency.said("site.owner_added")[-1]["origin"] == [None, "transfer"]


def test_a_first_site_by_transfer_is_the_primary_one(agency, ann):
    agency.give("a")

    agency.do(accept_transfer, agency.do(offer_transfer, agency.sites["a"], customer=ann.customer))

    assert (agency.owned(agency.joe), agency.owned(ann)) == ([], ["a*"])


def test_a_collaborator_who_accepts_becomes_the_owner(agency, ann):
    agency.give("a")
    before = agency.give("a", ann, 1, role="collaborator")

    after = agency.do(accept_transfer, agency.do(offer_transfer, agency.sites["a"], customer=ann.customer))

    assert (after.pk, after.role) == (before.pk, "owner")
    assert agency.said("site.role_changed") == [{"site": [str(agency.sites["a"].site_id)] * 2, "role": ["collaborator", "owner"]}]


def test_of_several_owners_it_has_to_be_said_who_gives(agency, ann):
    bob = agency.person("Bob")
    agency.give("a")
    agency.give("a", bob, 1)

    assert "from_customer" in refused(agency, offer_transfer, agency.sites["a"], Invalid, customer=ann.customer).fields
    agency.do(accept_transfer, agency.do(offer_transfer, agency.sites["a"], customer=ann.customer, from_customer=bob.customer))

    assert [agency.owned(one) for one in (agency.joe, bob, ann)] == [["a*"], [], ["a*"]]


def test_what_cannot_be_offered(agency, ann, other_account):
    assert "from_customer" in refused(agency, offer_transfer, agency.sites["a"], Invalid, customer=ann.customer).fields, "nobody's"
    agency.give("a")
    stranger = ClientFactory(account=other_account, customer=CustomerFactory())
    assert "customer" in refused(agency, offer_transfer, agency.sites["a"], Invalid, customer=stranger.customer).fields
    refused(agency, offer_transfer, agency.sites["a"], DuplicateOwnership, customer=agency.joe.customer)
    agency.do(archive_site, agency.sites["a"])
    assert "site" in refused(agency, offer_transfer, agency.sites["a"], Invalid, customer=ann.customer).fields


def test_one_offer_is_open_at_a_time_until_it_has_run_out(agency, ann):
    bob = agency.person("Bob")
    agency.give("a")
    first = agency.do(offer_transfer, agency.sites["a"], customer=ann.customer, at=NOW)

    refused(agency, offer_transfer, agency.sites["a"], customer=bob.customer, at=NOW + timedelta(days=14, seconds=-1))
    agency.do(offer_transfer, agency.sites["a"], customer=bob.customer, at=NOW + timedelta(days=14))

    with account_scope(agency.account):
        first.refresh_from_db()
    assert first.status == "lapsed"
    refused(agency, accept_transfer, first, at=NOW + timedelta(days=14))


@pytest.mark.parametrize("end", ["decline", "cancel", "lapse", "remove", "archive"])
def test_an_offer_that_is_over_can_be_answered_no_more(agency, ann, end):
    agency.give("a")
    offer = agency.do(offer_transfer, agency.sites["a"], customer=ann.customer, at=NOW)
    soon = NOW + timedelta(days=1)

    match end:
        case "decline":
            agency.do(decline_transfer, offer, at=soon)
        case "cancel":
            agency.do(cancel_transfer, offer, at=soon)
        case "lapse":
            soon = NOW + timedelta(days=14)
            with account_scope(agency.account):
                assert (end_old_offers(at=NOW), end_old_offers(at=soon), end_old_offers(at=soon)) == (0, 1, 0)
        case "remove":
            agency.do(remove_site_from_customer, agency.sites["a"], customer=agency.joe.customer, at=soon)
        case "archive":
            agency.do(archive_site, agency.sites["a"], at=soon)

    with account_scope(agency.account):
        offer.refresh_from_db()
    assert offer.status == {"decline": "declined", "lapse": "lapsed"}.get(end, "cancelled")
    assert offer.decided_at == soon
    for service in (accept_transfer, decline_transfer, cancel_transfer):
        refused(agency, service, offer, at=soon)
    assert agency.owned(ann) == []


def test_the_job_closes_old_offers_of_every_account(agency, ann, other_account):
    agency.give("a")
    agency.do(offer_transfer, agency.sites["a"], customer=ann.customer, at=NOW - timedelta(days=400))
    there = Agency(other_account)
    there.give("a")
    there.do(offer_transfer, there.sites["a"], customer=there.person("Eve").customer, at=NOW - timedelta(days=400))

    assert (sweep_offers(0), sweep_offers(0)) == (2, 0)
    assert len(agency.said("site.transfer_lapsed")) == len(there.said("site.transfer_lapsed")) == 1
