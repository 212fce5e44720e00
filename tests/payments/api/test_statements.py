"""orders/<id>/statement/ and clients/<id>/statement/ over HTTP, for staff and for the client."""

from itertools import pairwise

import pytest
import time_machine

from apps.bookings.services.transfers import transfer_sessions
from apps.core.tenancy import account_scope
from apps.payments.selectors import SOURCES
from apps.payments.services import create_payment, mark_received
from apps.payments.services.refund_states import lock_refund, take_back
from apps.payments.services.refunds import mark_sent, request_refund
from factories.orders import OrderFactory, OrderLineFactory
from factories.users import CustomerFactory
from tests.bookings.life import TUESDAY_TEN
from tests.bookings.owned import sessions
from tests.payments.refunding import do
from tests.payments.trading import DAY, TERMS, dispute, get, refused, trade
from tests.portal import become, sign_in
from tests.studio import NOW


@pytest.fixture
def studio(make_studio, account):
    return make_studio(account, **TERMS)


@pytest.fixture
def traded(studio):
    return trade(studio)


def order_statement(client, order):
    return get(client, f"/api/orders/{order.pk}/statement/")


# -- the statement of an order

PACKAGE_SESSIONS = [
    {"position": 1, "status": "completed", "net_cents": 2802, "deferred_cents": 0, "earned_cents": 2802},
    {"position": 2, "status": "draft", "net_cents": 2801, "deferred_cents": 2801, "earned_cents": 0},
    {"position": 3, "status": "draft", "net_cents": 2800, "deferred_cents": 2800, "earned_cents": 0},
]


def told(statement):
    """(kind, amount, balance, held) of every line."""
    return [(one["kind"], one["amount_cents"], one["balance_cents"], one["held_cents"]) for one in statement["lines"]]


def test_the_statement_of_an_order_tells_its_story(studio, owner, traded):
    answer = order_statement(owner, traded)

    assert (answer["order"], answer["client"], answer["currency"]) == (traded.pk, studio.client.pk, "EUR")
    assert told(answer) == [
        ("item", 10000, 10000, 0),
        ("payment", -6000, 4000, 0),
        ("fee", 1667, 5667, 0),
        ("payment", -4000, 1667, 0),
        ("refund", 1000, 2667, 0),
        ("dispute_opened", 0, 2667, 4000),
    ]
    words = [one["description"] for one in answer["lines"]]
    assert words[0] == studio.package.package_name
    assert (words[1], *words[3:]) == ("Paid (cash)", "Paid (stripe)", "Refunded (cash)", "Disputed (stripe)")
    assert [one["method"] for one in answer["lines"]] == [None, "cash", None, "stripe", "cash", "stripe"]
    assert answer["totals"] == {
        "charged_cents": 11667,
        "paid_cents": 10000,
        "refunded_cents": 1000,
        "disputed_cents": 4000,
        "balance_cents": 2667,
    }
    shown = get(owner, f"/api/orders/{traded.pk}/")
    assert shown["total_amount_cents"] - shown["paid_cents"] + shown["refunded_cents"] == 2667


def test_it_says_how_much_is_earned_session_by_session(owner, traded):
    answer = order_statement(owner, traded)

    shown = [{name: one[name] for name in PACKAGE_SESSIONS[0]} for one in answer["sessions"]]
    assert shown == PACKAGE_SESSIONS
    assert answer["earnings"] == {
        "deferred_cents": 5601,
        "earned_cents": 2802 + 1401,
        "revenue_cents": 2802,
        "forfeited_cents": 0,
        "fees_cents": 1401,
        "tax_cents": 1597 + 266,
        "gift_cents": 0,
    }
    worth = answer["earnings"]
    assert worth["deferred_cents"] + worth["earned_cents"] + worth["tax_cents"] == answer["totals"]["charged_cents"]


@pytest.mark.parametrize(
    ("state", "line", "balance", "paid_back"),
    [("lost", ("dispute_lost", 4000, 6667, -4000), 6667, 5000), ("won", ("dispute_won", 0, 2667, -4000), 2667, 1000)],
)
def test_a_decided_dispute_holds_nothing(studio, owner, traded, state, line, balance, paid_back):
    dispute(studio, state, TUESDAY_TEN + 3 * DAY)

    answer = order_statement(owner, traded)

    assert told(answer)[-1] == line
    totals = answer["totals"]
    assert (totals["balance_cents"], totals["refunded_cents"], totals["disputed_cents"]) == (balance, paid_back, 0)


def test_a_refund_that_did_not_arrive_is_two_lines(studio, owner):
    with time_machine.travel(NOW, tick=True):
        order = studio.sell(collect=False).order
        with account_scope(studio.account):
            payment = mark_received(create_payment(order=order, method="bank_transfer", amount_cents=10000), at=NOW)
        refund = do(studio, request_refund, payment, amount_cents=500, reason="")
        do(studio, mark_sent, refund)
    do(studio, bounce, refund)

    answer = order_statement(owner, order)

    assert told(answer)[2:] == [("refund", 500, 500, 0), ("refund_returned", -500, 0, 0)]
    assert (answer["totals"]["refunded_cents"], answer["totals"]["balance_cents"]) == (0, 0)


def bounce(refund, at):
    """The bank sends the money back; the books note it when it happens."""
    take_back(lock_refund(refund), failure="account_closed")


def test_given_away_sessions_stay_with_the_order_that_was_paid(studio, owner):
    with account_scope(studio.account):
        studio.package.transferable = True
        studio.package.save()
        sale = studio.sell()
        mark_received(sale.payment, at=NOW)
    other = studio.other_client()
    child = do(studio, transfer_sessions, sale.order, to_client=other, count=1)
    given = sessions(studio, child)[0]

    root, gift = order_statement(owner, sale.order), order_statement(owner, child)

    assert [(one["id"] == given.pk, one["order"]) for one in root["sessions"]][-1] == (True, child.pk)
    assert (len(root["sessions"]), root["earnings"]["deferred_cents"]) == (3, 10000 - 1597)
    assert [(one["id"], one["deferred_cents"]) for one in gift["sessions"]] == [(given.pk, given.price_cents - given.tax_cents)]
    assert gift["earnings"]["deferred_cents"] == given.price_cents - given.tax_cents
    assert (gift["lines"], gift["totals"]["charged_cents"], gift["client"]) == ([], 0, studio.client.pk)


def test_the_statement_takes_as_many_statements_however_much_happened(studio, owner, traded, statements):
    bare = studio.sell(service=studio.service, collect=False).order
    owner.get(f"/api/orders/{bare.pk}/statement/")

    counts = []
    for order in (bare, traded):
        with statements() as made:
            assert order_statement(owner, order)["lines"]
        counts.append(len(made()))

    assert counts == [STATEMENTS_OF_AN_ORDER] * 2


STATEMENTS_OF_AN_ORDER = 10
"""Who asks (2), the order, its lines, payments, refunds, returned refunds, disputes, sessions and entries."""


# -- the statement of a client


def client_lines(studio, client, **query):
    answer = get(client, f"/api/clients/{studio.client.pk}/statement/", **query)
    (only,) = answer["currencies"]
    return answer, only


def test_the_statement_of_a_client_covers_all_they_pay(studio, owner, traded):
    with time_machine.travel(NOW + 10 * DAY, tick=True):
        single = studio.sell(service=studio.service, collect=False).order
    studio.sell(client=studio.other_client())
    paid_for = OrderFactory(account=studio.account, client=studio.other_client(), payer=studio.client, service=studio.service)
    paid_by = OrderFactory(account=studio.account, client=studio.client, payer=studio.other_client(), service=studio.service)
    for order in (paid_for, paid_by):
        OrderLineFactory(account=studio.account, order=order, amount_cents=700)

    answer, only = client_lines(studio, owner)

    assert (answer["client"], answer["client_name"], answer["timezone"]) == (studio.client.pk, studio.client.full_name, "Europe/Berlin")
    assert (answer["from"], answer["to"], only["currency"], only["opening_cents"]) == (None, None, "EUR", 0)
    assert {one["order"] for one in only["lines"]} == {traded.pk, single.pk, paid_for.pk}
    assert [one["at"] for one in only["lines"]] == sorted(one["at"] for one in only["lines"])
    assert only["totals"]["balance_cents"] == 2667 + single.total_amount_cents + 700
    assert only["lines"][-1]["balance_cents"] == only["totals"]["balance_cents"]


def test_a_period_begins_with_what_was_owed(studio, owner, traded):
    answer, only = client_lines(studio, owner, **{"from": "2026-11-24", "to": "2026-11-25"})

    assert (answer["from"], answer["to"]) == ("2026-11-23T23:00:00Z", "2026-11-24T23:00:00Z")
    assert only["opening_cents"] == 4000
    assert told(only) == [("fee", 1667, 5667, 0)]
    assert only["totals"] == {"charged_cents": 1667, "paid_cents": 0, "refunded_cents": 0, "disputed_cents": 0, "balance_cents": 5667}


def test_periods_that_meet_say_the_same_as_one(studio, owner, traded):
    days = [None, "2026-11-23", "2026-11-24T08:30:00+00:00", "2026-11-26", None]
    _, whole = client_lines(studio, owner)

    parts = []
    for since, until in pairwise(days):
        parts.append(client_lines(studio, owner, **{k: v for k, v in {"from": since, "to": until}.items() if v})[1])

    assert [line for part in parts for line in part["lines"]] == whole["lines"]
    assert [part["opening_cents"] for part in parts[1:]] == [part["totals"]["balance_cents"] for part in parts[:-1]]
    assert all(part["lines"] for part in parts)
    for name in ("charged_cents", "paid_cents", "refunded_cents", "disputed_cents"):
        assert sum(part["totals"][name] for part in parts) == whole["totals"][name]


def test_currencies_are_never_added_up(studio, owner, traded):
    foreign = OrderFactory(account=studio.account, client=studio.client, service=studio.service, currency="CHF")
    with time_machine.travel(NOW, tick=True):
        OrderLineFactory(account=studio.account, order=foreign, amount_cents=700)

    answer = get(owner, f"/api/clients/{studio.client.pk}/statement/")

    assert [(one["currency"], one["totals"]["balance_cents"]) for one in answer["currencies"]] == [("CHF", 700), ("EUR", 2667)]
    assert all(line["currency"] == one["currency"] for one in answer["currencies"] for line in one["lines"])


def test_a_client_without_orders_owes_nothing(studio, owner):
    _, only = client_lines(studio, owner, **{"from": "2026-01-01"})

    assert (only["currency"], only["opening_cents"], only["lines"], only["totals"]["balance_cents"]) == ("EUR", 0, [], 0)


def test_a_client_statement_takes_as_many_statements_for_one_order_as_for_three(studio, owner, statements):
    counts = []
    for _ in range(2):
        studio.sell(service=studio.service)
        with statements() as made:
            client_lines(studio, owner, **{"from": "2026-11-01"})
        counts.append(len(made()))
        studio.sell(service=studio.service)

    assert counts == [STATEMENTS_OF_A_CLIENT] * 2


STATEMENTS_OF_A_CLIENT = 3 + len(SOURCES) + len(SOURCES) + 1
"""Who asks (2), the client, what was owed before, what happened, and the disputes."""


def test_a_statement_that_is_too_long_is_asked_for_in_parts(studio, owner, traded, monkeypatch):
    monkeypatch.setattr("apps.payments.selectors.MOST_LINES", 5)

    assert refused(owner, f"/api/clients/{studio.client.pk}/statement/") == ["from"]
    client_lines(studio, owner, **{"from": "2026-11-24"})


# -- the customer's door


def test_a_client_reads_what_they_bought_and_paid_but_not_the_books(studio, traded, owner):
    me = sign_in(become(studio))

    answer = get(me, f"/api/customer/orders/{traded.pk}/statement/")

    staff = order_statement(owner, traded)
    assert answer == {name: staff[name] for name in ("order", "number", "currency", "lines", "totals")}
    assert "noise" not in str(answer)
    assert get(me, f"/api/customer/packages/{traded.pk}/statement/") == answer


def test_a_client_does_not_read_what_others_bought(studio, traded):
    other = studio.other_client()
    stranger = sign_in(CustomerFactory())

    theirs = studio.sell(client=other).order
    assert get(stranger, f"/api/customer/orders/{traded.pk}/statement/", 404)["error"] == "not_found"
    assert get(sign_in(become(studio)), f"/api/customer/orders/{theirs.pk}/statement/", 404)["error"] == "not_found"
