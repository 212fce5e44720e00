"""sites/ for the business."""

from uuid import UUID

import pytest

from apps.accounts.models import Membership, Role
from apps.clients.models import Client
from apps.core.tenancy import account_scope
from apps.sites.models import Site
from apps.sites.services import offer_transfer
from factories.clients import ClientFactory
from factories.sites import SiteFactory
from factories.users import CustomerFactory
from tests.sites.life import Agency

URL = "/api/sites/"
UNREADABLE = ("a\x00b", "\ud800")
"""What no text may hold: the body is refused as a whole."""


@pytest.fixture
def agency(account) -> Agency:
    return Agency(account)


def at(agency, slug, *rest) -> str:
    return "/".join([f"{URL}{agency.sites[slug].site_id}", *map(str, rest), ""])


def test_a_site_needs_a_slug_and_a_title_and_the_rest_has_defaults(owner, account):
    response = owner.post(URL, {"slug": "plumber-joe", "site_title": "Joe's Plumbing"})

    assert response.status_code == 201, response.content
    body = response.json()
    assert UUID(body["site_id"])
    assert {name: body[name] for name in body.keys() - {"id", "site_id", "created_at", "updated_at"}} == {
        "slug": "plumber-joe",
        "site_title": "Joe's Plumbing",
        "site_url": "",
        "status": "active",
        "subscription_status": "none",
        "monthly_amount_cents": 9900,
        "price_cents": None,
        "sale_price_cents": 9900,
        "currency": account.currency,
    }
    assert owner.get(f"{URL}{body['site_id']}/").json() == body
    assert owner.post(URL, {"slug": "plumber-joe", "site_title": "Again"}).json()["fields"] == {
        "slug": ["A site with this slug exists already."]
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "two words"),
        ("slug", "x" * 101),
        ("slug", ""),
        ("slug", None),
        ("site_title", "a\x00b"),
        ("site_title", "\ud800"),
        ("site_title", "x" * 201),
        ("site_title", {"a": 1}),
        ("site_url", "javascript:alert(1)"),
        ("site_url", "ftp://example.test/"),
        ("site_url", "http://"),
        ("site_url", "https://example.test/" + "x" * 500),
        ("status", "gone"),
        ("subscription_status", "paid"),
        ("monthly_amount_cents", -1),
        ("monthly_amount_cents", 1_000_000_001),
        ("monthly_amount_cents", None),
        ("monthly_amount_cents", 99.5),
        ("monthly_amount_cents", True),
        ("price_cents", "1e3"),
        ("site_id", "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_bad_values_are_refused_by_name(owner, account, field, value):
    response = owner.post(URL, {"slug": "plumber-joe", "site_title": "Joe's Plumbing", field: value})

    assert response.status_code == 400, response.content
    if value not in UNREADABLE:
        assert field in response.json()["fields"]
    with account_scope(account):
        assert not Site.objects.exists()


def test_archiving_by_patch_moves_the_primary_site_on(owner, agency):
    agency.give("a")
    agency.give("b", days=1)

    response = owner.patch(at(agency, "a"), {"status": "archived", "site_title": "Old"})

    assert (response.status_code, response.json()["status"], response.json()["site_title"]) == (200, "archived", "Old")
    assert agency.owned(agency.joe) == ["b*"]


@pytest.mark.parametrize("count", [1, 3])
def test_lists_take_a_fixed_number_of_statements(owner, account, statements, count):
    for _ in range(count):
        SiteFactory(account=account)
    owner.get(URL)

    with statements() as made:
        found = owner.get(URL).json()["results"]

    assert len(found) == count
    assert len(made()) == 3, made()


def test_sites_are_found_by_state_and_words(owner, agency):
    agency.give("a")

    def slugs(query):
        return sorted(row["slug"] for row in owner.get(f"{URL}?{query}").json()["results"])

    assert (slugs("is_owned=true"), slugs("is_owned=false")) == (["a"], ["b", "c"])
    assert (slugs("search=Site%20b"), slugs("status=archived"), slugs("subscription_status=none")) == (["b"], [], ["a", "b", "c"])
    assert owner.get(f"{URL}?is_owned=maybe").status_code == 400


# -- owners


def test_owners_come_and_go(owner, agency):
    customer = agency.joe.customer

    added = owner.post(at(agency, "a", "owners"), {"customer": customer.pk})
    again = owner.post(at(agency, "a", "owners"), {"customer": customer.pk})

    assert added.status_code == 201, added.content
    body = added.json()
    assert {name: body[name] for name in ("site_id", "customer", "client", "full_name", "email", "role", "is_primary", "ended_at")} == {
        "site_id": str(agency.sites["a"].site_id),
        "customer": customer.pk,
        "client": agency.joe.pk,
        "full_name": "Joe",
        "email": agency.joe.email,
        "role": "owner",
        "is_primary": True,
        "ended_at": None,
    }
    assert (again.status_code, again.json()["error"]) == (409, "duplicate_ownership")

    assert owner.delete(at(agency, "a", "owners", customer.pk)).status_code == 204
    assert owner.delete(at(agency, "a", "owners", customer.pk)).status_code == 404
    owner.post(at(agency, "a", "owners"), {"customer": customer.pk, "role": "collaborator"})
    listed = owner.get(at(agency, "a", "owners")).json()["results"]
    assert [(row["role"], row["ended_at"] is None) for row in listed] == [("owner", False), ("collaborator", True)]
    assert [row["role"] for row in owner.get(at(agency, "a", "owners") + "?is_current=true").json()["results"]] == ["collaborator"]
    assert [row["role"] for row in owner.get(at(agency, "a", "owners") + "?is_current=false").json()["results"]] == ["owner"]


def test_who_is_nothing_to_the_account_does_not_exist(owner, agency, other_account):
    stranger = ClientFactory(account=other_account, customer=CustomerFactory()).customer
    lead = CustomerFactory()
    bodies = [{"customer": pk} for pk in (stranger.pk, lead.pk, 2**62, 0, -1, "abc", None, True, [1], {"id": 1}, 2**64)]

    for path in ("owners", "transfer"):
        for body in [*bodies, {}]:
            response = owner.post(at(agency, "a", path), body)
            assert (response.status_code, list(response.json()["fields"])) == (400, ["customer"]), (path, body)
    said = [owner.post(at(agency, "a", "owners"), {"customer": one.pk}).json()["fields"]["customer"] for one in (stranger, lead)]
    assert said == [[f'Invalid pk "{one.pk}" - object does not exist.'] for one in (stranger, lead)]
    assert owner.post(at(agency, "a", "owners"), {"customer": agency.joe.customer.pk, "role": "thief"}).status_code == 400


def test_set_primary_chooses_among_the_customers_sites(owner, agency):
    agency.give("a")
    agency.give("b", days=1)

    chosen = owner.post(at(agency, "b", "owners", agency.joe.customer.pk, "set-primary"))
    not_theirs = owner.post(at(agency, "c", "owners", agency.joe.customer.pk, "set-primary"))

    assert (chosen.status_code, chosen.json()["is_primary"], not_theirs.status_code) == (200, True, 404)
    assert agency.owned(agency.joe) == ["b*", "a"]


@pytest.mark.parametrize("count", [1, 3])
def test_owners_take_a_fixed_number_of_statements(owner, agency, statements, count):
    for number in range(count):
        agency.give("a", agency.person(f"Owner {number}"))
    owner.get(at(agency, "a", "owners"))

    with statements() as made:
        found = owner.get(at(agency, "a", "owners")).json()["results"]

    assert len(found) == count
    assert len(made()) == 4, made()


# -- transfers


def test_a_transfer_is_offered_seen_and_taken_back(owner, agency):
    ann = agency.person("Ann")
    agency.give("a")

    assert owner.get(at(agency, "a", "transfer")).status_code == 404
    offered = owner.post(at(agency, "a", "transfer"), {"customer": ann.customer.pk})
    again = owner.post(at(agency, "a", "transfer"), {"customer": ann.customer.pk})

    assert offered.status_code == 201, offered.content
    body = offered.json()
    assert (body["client_name"], body["from_client_name"], body["status"]) == ("Ann", "Joe", "offered")
    assert (again.status_code, again.json()["error"]) == (409, "invalid_transition")
    assert owner.get(at(agency, "a", "transfer")).json() == body
    assert owner.delete(at(agency, "a", "transfer")).status_code == 204
    assert owner.delete(at(agency, "a", "transfer")).status_code == 404
    assert agency.owned(agency.joe) == ["a*"]


@pytest.mark.parametrize(
    ("role", "status"), [("manager", 201), ("front_desk", 403), ("practitioner", 403), ("bookkeeper", 403), (None, 401)]
)
def test_who_may_give_sites_away(client_as, agency, role, status):
    body = {"customer": agency.joe.customer.pk}

    assert client_as(role and Role(role)).post(at(agency, "a", "owners"), body).status_code == status


def test_practitioners_who_see_their_own_clients_see_no_other_owners(client_as, agency, account):
    ann, bob = agency.person("Ann"), agency.person("Bob")
    agency.give("a")
    agency.give("a", ann)
    agency.give("b", ann)
    for slug, taker in (("a", bob), ("b", agency.joe)):
        agency.do(offer_transfer, agency.sites[slug], customer=taker.customer, from_customer=ann.customer)
    practitioner = client_as(Role.PRACTITIONER)
    assert len(practitioner.get(at(agency, "a", "owners")).json()["results"]) == 2

    with account_scope(account):
        account.settings = {"practitioners_see_own_clients": True}
        account.save()
        member = Membership.objects.get(role=Role.PRACTITIONER)
        Client.objects.filter(pk=agency.joe.pk).update(owner=member)

    assert [one["full_name"] for one in practitioner.get(at(agency, "a", "owners")).json()["results"]] == ["Joe"]
    assert practitioner.get(at(agency, "b", "owners")).json()["results"] == []
    for slug in "ab":
        assert practitioner.get(at(agency, slug, "transfer")).status_code == 404
    with account_scope(account):
        Client.objects.filter(pk=ann.pk).update(owner=member)
    assert practitioner.get(at(agency, "b", "transfer")).json()["client_name"] == "Joe"
