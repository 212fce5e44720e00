"""my-sites/, my-site/ and offers: the shapes of source 003."""

from datetime import UTC, datetime

import pytest

from apps.core.tenancy import account_scope
from apps.sites.services import accept_transfer, archive_site, offer_transfer
from factories.clients import ClientFactory
from tests.portal import sign_in
from tests.sites.life import Agency
from tests.studio import NOW

SITES, SITE, OFFERS = "/api/customer/my-sites/", "/api/customer/my-site/", "/api/customer/site-transfers/"


@pytest.fixture
def agency(account) -> Agency:
    return Agency(account)


@pytest.fixture
def joe(agency):
    return sign_in(agency.joe.customer)


def at(agency, slug, action) -> str:
    return f"{SITES}{agency.sites[slug].site_id}/{action}/"


def own(client, query="") -> list[str]:
    return [f"{row['slug']}{'*' * row['is_primary']}" for row in client.get(SITES + query).json()["sites"]]


def test_my_sites_has_the_shape_of_the_source(joe, agency):
    site = agency.sites["a"]
    with account_scope(agency.account):
        type(site).objects.filter(pk=site.pk).update(site_url="https://sites.example.test/a", subscription_status="active")
    agency.give("a")

    response = joe.get(SITES)

    assert response.status_code == 200
    assert response.json() == {
        "sites": [
            {
                "site_id": str(site.site_id),
                "slug": "a",
                "site_title": "Site a",
                "site_url": "https://sites.example.test/a",
                "status": "active",
                "subscription_status": "active",
                "is_primary": True,
                "acquired_at": "2026-11-21T08:00:00Z",
            }
        ],
        "total": 1,
        "has_multiple_sites": False,
    }
    assert joe.get(SITE).json() == response.json()["sites"][0]
    assert datetime(2026, 11, 21, 8, tzinfo=UTC) == NOW


def test_without_a_site_the_list_is_empty_and_the_primary_one_is_missing(joe, agency):
    assert joe.get(SITES).json() == {"sites": [], "total": 0, "has_multiple_sites": False}
    response = joe.get(SITE)
    assert (response.status_code, response.json()["error"]) == (404, "no_site")


def test_the_order_is_primary_first_then_acquisition(joe, agency):
    for days, slug in enumerate("abc"):
        agency.give(slug, days=days, is_primary=slug == "b")

    assert own(joe) == ["b*", "a", "c"]
    assert (joe.get(SITES).json()["total"], joe.get(SITES).json()["has_multiple_sites"]) == (3, True)
    assert joe.get(SITE).json()["slug"] == "b"


def test_set_primary_switches_and_archived_sites_are_gone(joe, agency):
    agency.give("a")
    agency.give("b", days=1)

    response = joe.post(at(agency, "b", "set-primary"))

    assert (response.status_code, response.json()["slug"], response.json()["is_primary"]) == (200, "b", True)
    assert own(joe) == ["b*", "a"]
    agency.do(archive_site, agency.sites["b"])
    assert own(joe) == ["a*"]
    assert joe.post(at(agency, "b", "set-primary")).status_code == 404
    assert joe.post(at(agency, "c", "set-primary")).status_code == 404


def test_over_several_accounts_the_primary_site_is_the_one_acquired_first(joe, agency, other_account):
    there = Agency(other_account)
    mine = ClientFactory(account=other_account, customer=agency.joe.customer)
    agency.give("a", days=5)
    agency.give("b", days=6, is_primary=True)
    there.give("c", mine, days=3)

    assert joe.get(SITE).json()["slug"] == "c"
    assert joe.get(f"{SITE}?account=berlin").json()["slug"] == "b"
    assert own(joe) == ["c*", "b*", "a"]
    assert own(joe, "?account=berlin") == ["b*", "a"]


@pytest.mark.parametrize("count", [1, 3])
def test_my_sites_take_a_fixed_number_of_statements(joe, agency, statements, count):
    for slug in "abc"[:count]:
        agency.give(slug)
    joe.get(SITES)

    with statements() as made:
        assert joe.get(SITES).json()["total"] == count

    assert len(made()) == 4, made()


# -- offers


def test_the_new_owner_sees_and_accepts_an_offer(joe, agency):
    ann = agency.person("Ann")
    agency.give("a", ann)
    agency.do(offer_transfer, agency.sites["a"], customer=agency.joe.customer)

    (offer,) = joe.get(OFFERS).json()["results"]
    assert (offer["slug"], offer["status"], offer["account_slug"], offer["monthly_amount_cents"]) == ("a", "offered", "berlin", 9900)
    assert b"Ann" not in joe.get(OFFERS).content
    assert sign_in(ann.customer).get(OFFERS).json()["results"] == []

    accepted = joe.post(at(agency, "a", "accept"))

    assert (accepted.status_code, accepted.json()["slug"], accepted.json()["is_primary"]) == (200, "a", True)
    assert (own(joe), own(sign_in(ann.customer))) == (["a*"], [])
    again = joe.post(at(agency, "a", "accept"))
    assert (again.status_code, again.json()["error"], again.json()["allowed_actions"]) == (409, "invalid_transition", [])
    assert [row["status"] for row in joe.get(f"{OFFERS}?status=accepted").json()["results"]] == ["accepted"]


def test_only_the_new_owner_may_answer(joe, agency):
    ann, eve = agency.person("Ann"), agency.person("Eve")
    agency.give("a", ann)
    agency.do(offer_transfer, agency.sites["a"], customer=agency.joe.customer)

    for somebody in (ann, eve):
        for answer in ("accept", "decline"):
            response = sign_in(somebody.customer).post(at(agency, "a", answer))
            assert (response.status_code, response.json()["error"]) == (404, "not_found")

    declined = joe.post(at(agency, "a", "decline"))
    assert (declined.status_code, declined.json()["status"]) == (200, "declined")
    assert own(sign_in(ann.customer)) == ["a*"]


def test_who_has_lost_a_site_sees_nothing_of_it(joe, agency):
    ann = agency.person("Ann")
    agency.give("a")
    offer = agency.do(offer_transfer, agency.sites["a"], customer=ann.customer)
    assert own(joe) == ["a*"]

    agency.do(accept_transfer, offer)

    assert own(joe) == []
    assert joe.post(at(agency, "a", "set-primary")).status_code == 404


XSS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "\u202egnp.exe",
    "'\"><svg/onload=alert(1)>",
]


@pytest.mark.parametrize("title", XSS)
def test_titles_are_kept_as_they_are_and_come_back_as_json(owner, joe, agency, title):
    response = owner.patch(f"/api/sites/{agency.sites['a'].site_id}/", {"site_title": title})
    agency.give("a")

    assert (response.status_code, response.json()["site_title"]) == (200, title)
    answer = joe.get(SITES)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json()["sites"][0]["site_title"] == title
