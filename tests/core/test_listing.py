"""Pages by keyset, declared filters and kept SQL: the same rows as the plain ORM, for everybody, in every order."""

import base64
import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import compiled
from apps.core.api.listing import Listing
from apps.core.tenancy import account_scope
from apps.packages.models import Package
from factories.accounts import MembershipFactory, token_for
from factories.packages import PackageFactory, PackageItemFactory
from tests.conftest import ApiClient
from tests.security.routes import call_id, calls, named

URL = "/api/packages/"
START = datetime(2026, 1, 1, tzinfo=UTC)
ORDERINGS = {"created_at": ("created_at", "id"), "updated_at": ("updated_at", "id"), "package_name": ("package_name", "id"), "id": ("id",)}


@pytest.fixture
def stock(account):
    """11 packages with many equal values, so that every ordering has ties across pages."""
    return fill(account, 11)


def fill(account, count, prefix="P"):
    made = [PackageFactory(account=account, package_name=f"{prefix}{i:02d}", is_active=i % 3 != 0) for i in range(count)]
    with account_scope(account):
        for i, package in enumerate(made):
            Package.objects.filter(pk=package.pk).update(
                created_at=START + timedelta(days=i // 4), updated_at=START + timedelta(hours=i % 2)
            )
        return list(Package.objects.all())


def ordered(packages, ordering) -> list[int]:
    names = ORDERINGS[ordering.removeprefix("-")]
    return [p.pk for p in sorted(packages, key=lambda p: [getattr(p, name) for name in names], reverse=ordering.startswith("-"))]


def ids(response) -> list[int]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def local(url) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def walk(client, url, direction="next") -> list[list[int]]:
    pages = []
    while url:
        response = client.get(local(url))
        pages.append(ids(response))
        url = response.json()[direction]
        assert len(pages) < 50
    return pages


# -- pages


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 5, 10, 11, 12, 100])
@pytest.mark.parametrize("ordering", [sign + name for name in ORDERINGS for sign in ("", "-")])
def test_pages_tile_the_list_forwards_and_backwards(owner, stock, ordering, page_size):
    wanted = ordered(stock, ordering)
    tiles = [wanted[i : i + page_size] for i in range(0, len(wanted), page_size)]

    assert walk(owner, f"{URL}?ordering={ordering}&page_size={page_size}") == tiles

    last = f"{URL}?ordering={ordering}&page_size={page_size}"
    while following := owner.get(local(last)).json()["next"]:
        last = following
    back = walk(owner, last, "previous")
    assert list(itertools.chain(*reversed(back))) == wanted
    assert back == [tiles[-1], *[wanted[max(0, i - page_size) : i] for i in range(len(wanted) - len(tiles[-1]), 0, -page_size)]]


def test_the_default_is_the_newest_first_in_pages_of_fifty(owner, account):
    made = fill(account, 51)

    response = owner.get(URL)

    assert ids(response) == ordered(made, "-created_at")[:50]
    assert response.json()["previous"] is None
    assert ids(owner.get(local(response.json()["next"]))) == ordered(made, "-created_at")[50:]


def test_an_empty_list_has_no_neighbours(owner):
    assert owner.get(URL).json() == {"next": None, "previous": None, "results": []}


def test_links_keep_the_filters(owner, stock):
    response = owner.get(f"{URL}?is_active=true&ordering=id&page_size=2&search=P")

    query = parse_qs(urlsplit(response.json()["next"]).query)
    assert {key: query[key] for key in ("is_active", "ordering", "page_size", "search")} == {
        "is_active": ["true"], "ordering": ["id"], "page_size": ["2"], "search": ["P"],
    }  # fmt: skip
    active = [p.pk for p in stock if p.is_active]
    assert list(itertools.chain(*walk(owner, f"{URL}?is_active=true&ordering=id&page_size=2"))) == sorted(active)


def test_rows_deleted_and_made_between_two_pages_neither_repeat_nor_hide_others(owner, account, stock):
    wanted = ordered(stock, "-created_at")
    first = owner.get(f"{URL}?page_size=4")
    with account_scope(account):
        Package.objects.filter(pk__in=[wanted[3], wanted[5]]).delete()  # the row the cursor was made from, and one to come
    newer = PackageFactory(account=account, package_name="newer")

    rest = walk(owner, first.json()["next"])

    assert list(itertools.chain(*rest)) == [pk for pk in wanted[4:] if pk != wanted[5]]
    assert newer.pk not in itertools.chain(*rest)


def test_after_the_last_row_was_deleted_the_page_is_empty_and_has_no_neighbours(owner, account, stock):
    url = owner.get(f"{URL}?page_size=10").json()["next"]
    with account_scope(account):
        Package.objects.all().delete()

    response = owner.get(local(url))

    assert response.json() == {"next": None, "previous": None, "results": []}


def test_the_comparison_is_one_of_rows(owner, stock):
    """OR costs 73 times as much at row 90,000 (performance.md); the index is used for (a, b) < (c, d)."""
    url = owner.get(f"{URL}?page_size=4").json()["next"]
    with CaptureQueriesContext(connection) as made:
        owner.get(local(url))

    (sql,) = [query["sql"] for query in made if 'FROM "packages_package"' in query["sql"]]
    assert '("packages_package"."created_at", "packages_package"."id") < (' in sql
    assert " OR " not in sql
    assert "OFFSET" not in sql


# -- cursors


def _cursor(*parts) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


NOW = "2026-01-01T00:00:00Z"
GARBAGE = [
    "x", "=", "%00", "AAAA", "é", "../..", "null", "[]", "a" * 5000, "' OR 1=1", "%ff%fe",
    _cursor(), _cursor(1), _cursor("-created_at,-id"), _cursor("-created_at,-id", False), _cursor("-created_at,-id", False, NOW),
    _cursor("-created_at,-id", False, NOW, "1"), _cursor("-created_at,-id", False, NOW, 2**63), _cursor("-created_at,-id", False, NOW, 10**40),
    _cursor("-created_at,-id", False, NOW, 1.5), _cursor("-created_at,-id", False, NOW, True), _cursor("-created_at,-id", False, NOW, None),
    _cursor("-created_at,-id", 1, NOW, 1), _cursor("-created_at,-id", "false", NOW, 1), _cursor("-created_at,-id", False, 5, 1),
    _cursor("-created_at,-id", False, "2026-01-01T00:00:00", 1), _cursor("-created_at,-id", False, "2026-13-01T00:00:00Z", 1),
    _cursor("-created_at,-id", False, "yesterday", 1), _cursor("-created_at,-id", False, [NOW], 1), _cursor("-created_at,-id", False, {}, 1),
    _cursor("-created_at,-id", False, NOW, 1, 1), _cursor(["-created_at,-id"], False, NOW, 1), _cursor({"a": 1}),
    _cursor("created_at,id", False, NOW, 1), _cursor("-id", False, 1), _cursor("-package_name,-id", False, "x", 1),
]  # fmt: skip


@pytest.mark.parametrize("cursor", GARBAGE, ids=range(len(GARBAGE)))
def test_a_cursor_that_was_not_handed_out_here_is_refused(owner, stock, cursor):
    response = owner.get(
        URL, {"cursor": cursor} if "%" not in cursor else None, **({"QUERY_STRING": f"cursor={cursor}"} if "%" in cursor else {})
    )

    assert response.status_code == 400, response.content
    assert response.json()["error"] == "validation_error"


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00.9999999Z"])
def test_a_cursor_at_the_end_of_time_is_answered(owner, stock, instant):
    assert owner.get(URL, {"cursor": _cursor("-created_at,-id", False, instant, 1)}).status_code in (200, 400)


def test_a_name_with_nul_in_a_cursor_is_refused(owner, stock):
    response = owner.get(URL, {"ordering": "package_name", "cursor": _cursor("package_name,id", False, "a\0b", 1)})

    assert response.status_code == 400


def test_a_cursor_of_another_ordering_is_refused(owner, stock):
    for one, other in itertools.permutations(["created_at", "-created_at", "id", "package_name"], 2):
        url = owner.get(f"{URL}?ordering={one}&page_size=2").json()["next"]
        cursor = parse_qs(urlsplit(url).query)["cursor"][0]
        assert owner.get(URL, {"ordering": other, "cursor": cursor, "page_size": 2}).status_code == 400


def test_a_cursor_of_another_account_opens_nothing_of_it(owner, other_owner, stock, other_account):
    fill(other_account, 5)
    url = owner.get(f"{URL}?page_size=2&ordering=id").json()["next"]

    theirs = ids(other_owner.get(local(url)))

    assert set(theirs).isdisjoint({p.pk for p in stock})


@pytest.mark.parametrize(
    "query",
    ["page_size=0", "page_size=-1", "page_size=101", "page_size=x", "page_size=1.5", "page_size=%D9%A3", "page_size=" + "9" * 5000, "page_size=%00",
     "ordering=nothing", "ordering=--id", "ordering=account", "ordering=package_name,id", "ordering=items__service", "ordering=%00", "ordering=-",
     "ordering=?", "is_active=1", "is_active=TRUE", "is_active=%00", "search=%00", "updated_since=yesterday", "updated_since=2026-01-01T00:00:00",
     "updated_since=%00", "updated_since=0000-01-01T00:00:00Z", "updated_since=99999-01-01T00:00:00Z", "nothing=1", "account=1", "id=1", "pk=1",
     "package_name=x", "limit=1", "offset=1", "page=2", "format=json", "is_active__in=true", "price_cents__gt=1", "search__x=1", "%00=1", "=1"],
)  # fmt: skip
def test_what_is_not_declared_is_refused(owner, stock, query):
    response = owner.get(f"{URL}?{query}")

    assert response.status_code == 400, response.content
    assert response.json()["error"] in ("validation_error", "unknown_field")
    assert list(response.json()["fields"])


@pytest.mark.parametrize(("route", "method", "action"), [call for call in calls() if call[2] == "list"], ids=call_id)
def test_every_list_refuses_a_filter_that_it_does_not_know(two_worlds, route, method, action):
    ours, _ = two_worlds

    response = ApiClient(token_for(ours.owner)).get(f"{route.at(ours)}?no_such_filter=1")

    if route.basename == "token":
        assert response.status_code in (200, 400)  # a person's few tokens: no filters at all
    else:
        assert (response.status_code, response.json()["error"]) == (400, "unknown_field")


@pytest.mark.parametrize(
    ("text", "found"), [("%", []), ("_", []), ("\\", []), ("' OR 1=1 --", []), ("P0%", []), (" p01 ", ["P01"]), ("P 03", ["P03"])]
)
def test_search_takes_text_as_text(owner, stock, text, found):
    response = owner.get(URL, {"search": text})

    assert [row["package_name"] for row in response.json()["results"]] == found


def test_a_search_of_a_thousand_words_is_answered(owner, stock):
    assert owner.get(URL, {"search": "P " * 1000}).status_code == 200


# -- kept SQL


@pytest.fixture
def fresh_plans(monkeypatch):
    monkeypatch.setattr(compiled, "_compiled", {})


def _plain(account, query) -> list[int]:
    """The same page by the plain ORM."""
    with account_scope(account):
        packages = Package.objects.all()
        if "is_active" in query:
            packages = packages.filter(is_active=query["is_active"] == "true")
        if "updated_since" in query:
            packages = packages.filter(updated_at__gte=datetime.fromisoformat(query["updated_since"]))
        return ordered(list(packages), query.get("ordering", "-created_at"))[: int(query.get("page_size", 50))]


@pytest.mark.parametrize("seed", range(3))
def test_kept_sql_never_mixes_accounts_values_or_sizes(owner, other_owner, account, other_account, fresh_plans, seed):
    fill(account, 12, "A")
    fill(other_account, 9, "B")
    choose = random.Random(seed)
    people = [(owner, account), (other_owner, other_account)]

    for _ in range(60):
        client, whose = choose.choice(people)
        query = {}
        if choose.random() < 0.6:
            query["is_active"] = choose.choice(["true", "false"])
        if choose.random() < 0.4:
            query["updated_since"] = (START + timedelta(minutes=choose.choice([-1, 30, 90]))).isoformat()
        if choose.random() < 0.6:
            query["ordering"] = choose.choice(["", "-"]) + choose.choice(list(ORDERINGS))
        if choose.random() < 0.7:
            query["page_size"] = str(choose.choice([1, 2, 5, 100]))
        response = client.get(URL, query)
        assert ids(response) == _plain(whose, query), query
        if response.json()["next"]:
            following = ids(client.get(local(response.json()["next"])))
            assert following == _plain(whose, {**query, "page_size": "100"})[len(ids(response)) :][: len(following)]

    assert 5 < len(compiled._compiled) <= 120


def test_kept_sql_holds_no_value_of_the_first_request(owner, account, fresh_plans):
    fill(account, 3)
    owner.get(URL, {"is_active": "true", "page_size": 7})
    owner.get(URL, {"ordering": "package_name", "page_size": 2})

    for query in compiled._compiled.values():
        plain = [p for p in query.params if not isinstance(p, compiled.Bound)]
        assert account.pk not in plain
        assert True not in [p for p in plain if isinstance(p, bool)]
        assert f"= {account.pk}" not in query.sql


def test_kept_sql_is_forgotten_when_there_is_too_much_of_it(owner, stock, fresh_plans, monkeypatch):
    monkeypatch.setattr(compiled, "MAX_SHAPES", 5)

    for size in range(1, 12):
        assert len(ids(owner.get(f"{URL}?page_size={size}"))) == size
        assert len(compiled._compiled) <= 5


def test_another_account_may_have_the_same_person_as_member(account, other_account, fresh_plans):
    """One token, two accounts in turn: the scope is the request's, not the plan's."""
    member = MembershipFactory(account=account)
    MembershipFactory(account=other_account, user=member.user)
    client = ApiClient(token_for(member.user))
    PackageFactory(account=account, package_name="here")
    PackageFactory(account=other_account, package_name="there")

    for _ in range(3):
        for slug, name in ((account.slug, "here"), (other_account.slug, "there")):
            response = client.get(URL, headers={"X-Account": slug})
            assert [row["package_name"] for row in response.json()["results"]] == [name]


def test_nested_rows_are_those_of_their_parent(owner, other_owner, account, other_account, fresh_plans):
    for whose in (account, other_account):
        for count in (1, 2, 3):
            package = PackageFactory(account=whose, package_name=f"{count} items")
            PackageItemFactory.create_batch(count, account=whose, package=package)

    for client in (owner, other_owner):
        shown = client.get(f"{URL}?ordering=package_name").json()["results"]
        assert [(row["package_name"], len(row["items"])) for row in shown] == [("1 items", 1), ("2 items", 2), ("3 items", 3)]


class _EveryFilterByTheOrm:
    """Stands for a filterset whose filters cannot be parameters: the list goes the other way."""

    def parameters(self):
        return None

    def filter_queryset(self, queryset):
        return queryset


@pytest.mark.parametrize("query", ["", "?ordering=id", "?ordering=-id&page_size=1"])
@pytest.mark.parametrize(
    ("route", "method", "action"), [call for call in calls() if call[2] == "list" and hasattr(call[0].view, "listing")], ids=call_id
)
def test_both_ways_of_reading_give_equal_json(two_worlds, monkeypatch, route, method, action, query):
    ours, _ = two_worlds
    client = ApiClient(token_for(ours.owner))

    kept = client.get(route.at(ours) + query)
    monkeypatch.setattr(Listing, "_filterset", lambda self, request: _EveryFilterByTheOrm())
    plain = client.get(route.at(ours) + query)

    assert kept.status_code == plain.status_code == 200
    assert kept.json()["results"]
    assert kept.content == plain.content


# Rows that have an address of their own and a list beside it; documents, for example, are listed below their booking.
LISTED = {route.path for route, _, action in calls() if action == "list"}
BESIDE = [call for call in calls() if call[2] == "retrieve" and call[0].path.replace("{pk}/", "") in LISTED - {call[0].path}]


@pytest.mark.parametrize(("route", "method", "action"), BESIDE, ids=call_id)
def test_a_row_looks_the_same_alone_and_in_its_list(two_worlds, route, method, action):
    ours, _ = two_worlds
    client = ApiClient(token_for(ours.owner))
    row = ours.of(route.view.model)

    address = route.at(ours)
    alone = client.get(address).json()
    beside = client.get(address.removesuffix(f"{route.row_of(ours)['pk']}/")).json()["results"]
    (listed,) = [one for one in beside if one["id"] in (row.pk, named(row))]

    assert {key: alone[key] for key in listed} == listed
