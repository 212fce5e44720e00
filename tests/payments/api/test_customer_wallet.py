"""A person's own credit."""

import pytest

from apps.core.tenancy import account_scope
from apps.payments.models import WalletLot
from apps.payments.services.gifts import new_code
from tests.payments.credit import books, give, held
from tests.payments.test_gifts import issue
from tests.portal import become, sign_in
from tests.studio import NOW, Studio, open_studio

URL = "/api/customer/wallet/"


@pytest.fixture(autouse=True)
def _now(time_machine) -> None:
    time_machine.move_to(NOW)


@pytest.fixture
def two(studio) -> tuple[Studio, Studio]:
    """One person, a client of two businesses."""
    elsewhere = open_studio()
    become(elsewhere, become(studio))
    return studio, elsewhere


def test_each_business_shows_its_own_credit(two):
    here, there = two
    give(here, 500, expires_at=None)
    me = sign_in(here.client.customer)

    shown = {row["account_slug"]: row for row in me.get(URL).json()["results"]}

    assert set(shown) == {here.account.slug, there.account.slug}
    lot = shown[here.account.slug].pop("lots")[0]
    assert (lot["source"], lot["remaining_cents"], lot["currency"]) == ("goodwill", 500, "EUR")
    assert shown[here.account.slug] == {
        "id": here.client.pk,
        "account_slug": here.account.slug,
        "account_name": here.account.name,
        "balances": [{"currency": "EUR", "balance_cents": 500}],
        "points": 0,
        "point_value_cents": 0,
    }
    assert shown[there.account.slug]["balances"] == [{"currency": "EUR", "balance_cents": 0}]
    assert [row["account_slug"] for row in me.get(URL, {"account": there.account.slug}).json()["results"]] == [there.account.slug]


def test_the_statement_is_mine_alone(two):
    here, there = two
    give(here, 500)
    give(there, 70)
    stranger = open_studio()
    become(stranger)
    give(stranger, 9)
    me = sign_in(here.client.customer)

    found = me.get(f"{URL}transactions/").json()["results"]

    assert [(row["account_slug"], row["kind"], row["amount_cents"]) for row in found] == [
        (there.account.slug, "credit", 70), (here.account.slug, "credit", 500)
    ]  # fmt: skip
    narrowed = me.get(f"{URL}transactions/", {"account": here.account.slug}).json()["results"]
    assert [row["amount_cents"] for row in narrowed] == [500]


def test_a_code_is_redeemed_at_the_business_that_gave_it(two):
    here, there = two
    code = issue(there, 700)[1]
    me = sign_in(here.client.customer)

    unsaid = me.post(f"{URL}redeem/", {"code": code})
    wrong = me.post(f"{URL}redeem/", {"code": code, "account": here.account.slug})
    right = me.post(f"{URL}redeem/", {"code": code, "account": there.account.slug})
    again = me.post(f"{URL}redeem/", {"code": code, "account": there.account.slug})

    assert (unsaid.status_code, list(unsaid.json()["fields"])) == (400, ["account"])
    assert (wrong.status_code, wrong.json()["error"]) == (409, "gift_code_refused")
    assert (right.status_code, right.json()["account_slug"]) == (200, there.account.slug)
    assert right.json()["balances"] == [{"currency": "EUR", "balance_cents": 700}]
    assert (again.status_code, again.json()["error"]) == (409, "gift_code_refused")
    assert (held(here), held(there)) == (0, 700)
    assert books(there) == {"goodwill": 700, "wallet": -700}


def test_the_only_business_need_not_be_named(studio):
    me, code = sign_in(become(studio)), issue(studio, 700)[1]

    assert me.post(f"{URL}redeem/", {"code": code}).status_code == 200
    assert held(studio) == 700


def test_a_business_that_is_not_mine_does_not_exist(studio):
    me, stranger = sign_in(become(studio)), open_studio()
    code = issue(stranger, 700)[1]

    in_body = me.post(f"{URL}redeem/", {"code": code, "account": stranger.account.slug})
    in_query = me.post(f"{URL}redeem/?account={stranger.account.slug}", {"code": code})

    assert [(r.status_code, list(r.json()["fields"])) for r in (in_body, in_query)] == [(400, ["account"])] * 2
    with account_scope(stranger.account):
        assert not WalletLot.objects.exists()


def test_a_code_that_is_sent_twice_with_one_key_is_redeemed_once(two):
    here, there = two
    me, code = sign_in(here.client.customer), issue(there, 700)[1]
    body, headers = {"code": code, "account": there.account.slug}, {"Idempotency-Key": "one"}

    first, second = (me.post(f"{URL}redeem/", body, headers=headers) for _ in range(2))

    assert (first.status_code, second.status_code, second.headers["Idempotent-Replayed"]) == (200, 200, "true")
    assert first.json() == second.json()


def test_guessing_is_limited(studio):
    me, code = sign_in(become(studio)), issue(studio, 700)[1]
    for _ in range(10):
        assert me.post(f"{URL}redeem/", {"code": new_code()}).status_code == 409

    refused = me.post(f"{URL}redeem/", {"code": code})

    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    assert held(studio) == 0


def test_somebody_who_is_nowhere_a_client_has_no_credit(studio):
    person = become(studio)
    become(studio)
    me = sign_in(person)

    assert me.get(URL).json() == {"results": []}
    assert me.get(f"{URL}transactions/").json()["results"] == []
    assert me.post(f"{URL}redeem/", {"code": "x"}).status_code == 400


def test_the_statement_takes_a_fixed_number_of_statements(studio, statements):
    me, counts = sign_in(become(studio)), []
    for number in (1, 3):
        for _ in range(number):
            give(studio, 100)
        me.get(f"{URL}transactions/")
        with statements() as made:
            assert me.get(f"{URL}transactions/").status_code == 200
        counts.append(len(made()))
    assert counts[0] == counts[1], made()
