"""ledger/ and ledger/balances/ over HTTP; who reads books and statements, and what these doors refuse."""

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.db import connection

from apps.accounts.models import Role
from apps.core.tenancy import account_scope, platform_scope
from apps.payments.models import Book, LedgerEntry, LedgerTransaction
from apps.payments.services import mark_received
from apps.payments.services.ledger import Leg, post, reverse
from factories.orders import OrderFactory
from tests.payments.trading import TERMS, get, refused, trade
from tests.security.worlds import thaw
from tests.studio import NOW

LEDGER, BALANCES = "/api/ledger/", "/api/ledger/balances/"
HUGE = 10**30


@pytest.fixture
def studio(make_studio, account):
    return make_studio(account, **TERMS)


@pytest.fixture
def traded(studio):
    return trade(studio)


# -- the books


def entries(client, /, **query):
    return get(client, LEDGER, **query)["results"]


def test_entries_show_their_transaction_and_what_they_are_about(studio, owner, traded):
    (one,) = entries(owner, book="cash", kind="payment")

    assert one == {
        "id": one["id"],
        "transaction": {"id": one["transaction"]["id"], "kind": "payment", "memo": "", "reverses": None},
        "book": "cash",
        "amount_cents": 6000,
        "currency": "EUR",
        "order": traded.pk,
        "booking": None,
        "client": studio.client.pk,
        "payment": one["payment"],
        "refund": None,
        "created_at": one["created_at"],
    }
    assert one["payment"]
    assert get(owner, f"{LEDGER}{one['id']}/") == one
    (back,) = entries(owner, book="cash", kind="refund")
    assert (back["amount_cents"], back["transaction"]["memo"], back["payment"]) == (-1000, "Sorry for the noise", one["payment"])
    assert back["refund"]


def test_entries_are_found_by_what_they_are_about(studio, owner, traded):
    other = studio.sell(client=studio.other_client()).order
    everything = entries(owner)

    def ids(**query):
        return {one["id"] for one in entries(owner, **query)}

    def those(test):
        return {one["id"] for one in everything if test(one)}

    payment = entries(owner, book="stripe", kind="payment")[0]["payment"]
    assert ids(order=other.pk) == those(lambda one: one["order"] == other.pk) != set()
    assert ids(client=studio.client.pk) == those(lambda one: one["order"] == traded.pk) != set()
    assert ids(payment=payment) == those(lambda one: one["payment"] == payment)
    assert len(ids(payment=payment)) == 4  # it came in, and is disputed
    assert ids(kind="dispute", book="disputed") == those(lambda one: one["book"] == "disputed") != set()
    assert ids(**{"from": "2026-01-01", "to": "2100-01-01"}) == those(lambda one: True)
    assert ids(**{"from": "2100-01-01"}) == ids(to="2026-01-01") == set()
    oldest = [one["id"] for one in entries(owner, ordering="created_at")]
    assert oldest == [one["id"] for one in reversed(everything)]
    page = get(owner, LEDGER, page_size=5)
    following = owner.get(page["next"]).json()["results"]
    assert [one["id"] for one in page["results"] + following] == [one["id"] for one in everything][: 5 + len(following)]


def test_entries_take_as_many_statements_for_one_as_for_three(studio, owner, statements):
    counts = []
    for rows in (1, 3):
        with account_scope(studio.account):
            order = OrderFactory(account=studio.account, client=studio.client, service=studio.service)
            for cents in range(1, rows + 1):
                legs = [Leg(Book.CASH, cents, order.pk), Leg(Book.GOODWILL, -cents, order.pk)]
                post(account_id=studio.account.pk, kind=LedgerTransaction.Kind.CREDIT, currency="EUR", legs=legs, order_id=order.pk)
        with statements() as made:
            assert len(entries(owner, order=order.pk, book="cash")) == rows
        counts.append(len(made()))

    assert counts == [4, 4]  # who asks (2), the order, the page


def test_a_reversing_transaction_names_what_it_takes_back(studio, owner):
    with account_scope(studio.account):
        payment = mark_received(studio.sell().payment, at=NOW)
        posted = LedgerTransaction.objects.get(payment=payment)
        reverse(posted, memo="typing error")

    shown = {one["transaction"]["memo"]: one["transaction"] for one in entries(owner, book="cash")}

    assert shown["typing error"]["reverses"] == shown[""]["id"] == posted.pk


def sheet(answer):
    """{book: signed cents} of the only currency, without books at zero; the books balance."""
    (only,) = answer["currencies"]
    assert only["sum_cents"] == sum(one["amount_cents"] for one in only["books"]) == 0
    assert sum(one["debit_cents"] for one in only["books"]) == sum(one["credit_cents"] for one in only["books"])
    assert [one["book"] for one in only["books"]] == Book.values
    return {one["book"]: one["amount_cents"] for one in only["books"] if one["amount_cents"]}


TRADED = {
    "receivable": 2667,
    "cash": 5000,
    "disputed": 4000,
    "deferred": -5601,
    "revenue": -2802,
    "fees": -1401,
    "tax": -1863,
}


def test_the_trial_balance_adds_up_to_zero(studio, owner, traded):
    answer = get(owner, BALANCES)

    assert sheet(answer) == TRADED
    (only,) = answer["currencies"]
    assert (only["currency"], only["deferred_cents"], only["earned_cents"]) == ("EUR", 5601, 4203)
    stripe = next(one for one in only["books"] if one["book"] == "stripe")
    assert (stripe["debit_cents"], stripe["credit_cents"], stripe["amount_cents"]) == (4000, 4000, 0)
    assert (answer["from"], answer["to"], answer["timezone"]) == (None, None, "Europe/Berlin")


def test_the_trial_balance_of_a_moment_and_of_a_period(studio, owner, traded):
    """Entries bear the database's time; here they get a year of their own."""
    with account_scope(studio.account), rewritten("payments_ledgerentry"):
        LedgerEntry.objects.update(created_at=datetime(2025, 12, 31, 23, 30, tzinfo=UTC))  # 00:30 of the new year in Berlin
        LedgerEntry.objects.filter(transaction__kind="payment").update(created_at=datetime(2026, 6, 1, tzinfo=UTC))

    paid = {"receivable": -10000, "cash": 6000, "stripe": 4000}
    unpaid = {book: TRADED.get(book, 0) - paid.get(book, 0) for book in (*TRADED, "stripe")}
    assert sheet(get(owner, BALANCES, at="2026-01-01")) == {}
    assert sheet(get(owner, BALANCES, at="2026-01-01T00:31:00+01:00")) == unpaid
    assert sheet(get(owner, BALANCES, at="2026-01-02")) == unpaid
    assert sheet(get(owner, BALANCES, at="2027-01-01")) == TRADED
    assert sheet(get(owner, BALANCES, **{"from": "2026-01-01", "to": "2026-06-01"})) == unpaid
    assert sheet(get(owner, BALANCES, **{"from": "2026-06-01"})) == paid
    answer = get(owner, BALANCES, **{"from": "2026-06-01", "to": "2026-07-01"})
    assert (answer["from"], answer["to"]) == ("2026-05-31T22:00:00Z", "2026-06-30T22:00:00Z")


@contextmanager
def rewritten(table):
    """The books lie about when: only with the database's guard taken off."""
    thaw(table)
    yield
    with platform_scope("test"), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_frozen")


def test_the_trial_balance_keeps_currencies_apart_and_shows_the_accounts_own(studio, owner):
    with account_scope(studio.account):
        legs = [Leg(Book.CASH, 500), Leg(Book.GOODWILL, -500)]
        post(account_id=studio.account.pk, kind=LedgerTransaction.Kind.CREDIT, currency="CHF", legs=legs)

    found = {one["currency"]: {row["book"]: row["amount_cents"] for row in one["books"] if row["amount_cents"]}
             for one in get(owner, BALANCES)["currencies"]}  # fmt: skip

    assert found == {"CHF": {"cash": 500, "goodwill": -500}, "EUR": {}}


def test_the_trial_balance_takes_one_statement_of_its_own(studio, owner, statements):
    counts = []
    for _ in range(2):
        studio.sell()
        with statements() as made:
            get(owner, BALANCES)
        counts.append(len(made()))

    assert counts == [3, 3]


# -- who, and what is refused

MONEY = {Role.OWNER, Role.MANAGER, Role.FRONT_DESK, Role.BOOKKEEPER}
BOOKS = {Role.OWNER, Role.MANAGER, Role.BOOKKEEPER}


@pytest.mark.parametrize("role", list(Role))
def test_who_may_read_books_and_statements(studio, client_as, traded, role):
    client = client_as(role)
    with account_scope(studio.account):
        entry = LedgerEntry.objects.first()

    answers = {path: client.get(path).status_code for path in (LEDGER, f"{LEDGER}{entry.pk}/", BALANCES)}
    statements = {
        path: client.get(path).status_code
        for path in (
            f"/api/orders/{traded.pk}/statement/",
            f"/api/client-packages/{traded.pk}/statement/",
            f"/api/clients/{studio.client.pk}/statement/",
        )
    }

    assert set(answers.values()) == {200 if role in BOOKS else 403}
    assert set(statements.values()) == {200 if role in MONEY else 403}


def test_another_account_sees_nothing_of_it(studio, other_owner, traded):
    with account_scope(studio.account):
        entry = LedgerEntry.objects.first()

    for path in (f"orders/{traded.pk}/statement", f"clients/{studio.client.pk}/statement", f"ledger/{entry.pk}"):
        assert get(other_owner, f"/api/{path}/", 404)["error"] == "not_found"
    assert entries(other_owner) == []
    assert sheet(get(other_owner, BALANCES)) == {}
    for name, pk in (("order", traded.pk), ("client", studio.client.pk)):
        assert refused(other_owner, LEDGER, **{name: pk}) == [name]


def test_a_merged_client_has_no_statement_of_their_own(studio, owner):
    winner = studio.other_client()
    with account_scope(studio.account):
        studio.client.merged_into = winner
        studio.client.save(update_fields=["merged_into"])

    get(owner, f"/api/clients/{studio.client.pk}/statement/", 404)


@pytest.mark.parametrize("pk", [HUGE, 2**63, 0, -1, "abc", "1.5", "%00", "\u0661"])
def test_ids_that_nobody_has_are_not_found(studio, owner, pk):
    for path in (f"orders/{pk}/statement", f"clients/{pk}/statement", f"ledger/{pk}"):
        assert get(owner, f"/api/{path}/", 404)["error"] == "not_found"


BACKWARDS = {"from": "2026-11-25", "to": "2026-11-24"}
NOWHERE = {"from": "2026-11-25", "to": "2026-11-25"}


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"book": "cellar"}, ["book"]),
        ({"kind": "theft"}, ["kind"]),
        ({"order": HUGE}, ["order"]),
        ({"client": "me"}, ["client"]),
        ({"payment": "0"}, ["payment"]),
        (BACKWARDS, ["to"]),
        (NOWHERE, ["to"]),
        ({"from": "yesterday"}, ["from"]),
        ({"to": "2026-02-30"}, ["to"]),
        ({"from": "2026-11-25T10:00:00"}, ["from"]),
        ({"ordering": "amount_cents"}, ["ordering"]),
        ({"page_size": "101"}, ["page_size"]),
        ({"cursor": "abc"}, ["cursor"]),
        ({"account": "1"}, ["account"]),
    ],
)
def test_what_the_list_of_entries_refuses(owner, query, fields):
    assert refused(owner, LEDGER, **query) == fields


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (BACKWARDS, ["to"]),
        (NOWHERE, ["to"]),
        ({"from": "2026-13-01"}, ["from"]),
        ({"to": "2026-11-25T10:00:00"}, ["to"]),
        ({"to": "0001-01-01"}, ["to"]),
        ({"from": "2026-11-25\0"}, ["from"]),
        ({"from": ["2026-11-25", "2026-11-26"]}, ["from"]),
        ({"account": "1"}, ["account"]),
        ({"book": "cash"}, ["book"]),
    ],
)
def test_what_periods_refuse(studio, owner, query, fields):
    assert refused(owner, BALANCES, **query) == fields
    assert refused(owner, f"/api/clients/{studio.client.pk}/statement/", **query) == fields


def test_a_moment_and_a_period_are_not_asked_for_together(owner):
    assert refused(owner, BALANCES, **{"at": "2026-11-25", "to": "2026-11-26"}) == ["at"]
    assert refused(owner, BALANCES, at="now") == ["at"]


def test_nobody_writes_through_these_doors(studio, owner, traded):
    with account_scope(studio.account):
        entry = LedgerEntry.objects.first()

    for path in (LEDGER, BALANCES, f"{LEDGER}{entry.pk}/", f"/api/orders/{traded.pk}/statement/"):
        for method in ("post", "patch", "delete"):
            assert getattr(owner, method)(path).status_code == 405
