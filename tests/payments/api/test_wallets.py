"""A client's credit and points at the staff door."""

import pytest

from apps.accounts.models import Role
from apps.core.tenancy import account_scope
from apps.payments.models import WalletLot
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.payments.credit import books, give, held, order_of, rich, spend
from tests.payments.test_points import settings
from tests.portal import become
from tests.studio import NOW


@pytest.fixture
def url(studio) -> str:
    become(studio)
    return f"/api/wallets/{studio.client.pk}/"


@pytest.fixture(autouse=True)
def _now(time_machine) -> None:
    time_machine.move_to(NOW)


def test_credit_is_given_shown_and_listed(owner, studio, url):
    given = owner.post(f"{url}credit/", {"amount_cents": 2500, "reason": "Sorry for the wait", "expires_on": "2026-12-31"})

    assert given.status_code == 201, given.content
    assert owner.get(url).json() == given.json()
    body = given.json()
    lot = body["lots"].pop()
    assert body == {
        "client": studio.client.pk,
        "client_name": studio.client.full_name,
        "has_wallet": True,
        "balances": [{"currency": "EUR", "balance_cents": 2500}],
        "lots": [],
        "points": 0,
        "point_value_cents": 0,
    }
    assert lot.pop("id")
    assert lot.pop("created_at")
    assert lot == {
        "source": "goodwill",
        "amount_cents": 2500,
        "remaining_cents": 2500,
        "currency": "EUR",
        "expires_at": "2026-12-31T23:00:00Z",
        "is_cashable": False,
        "reason": "Sorry for the wait",
    }
    (line,) = owner.get(f"{url}transactions/").json()["results"]
    assert (line["kind"], line["amount_cents"], line["balance_after_cents"], line["currency"]) == ("credit", 2500, 2500, "EUR")


def test_a_top_up_is_money_and_can_be_paid_out(owner, studio, url):
    owner.post(f"{url}credit/", {"amount_cents": 2500, "reason": "top-up", "paid_by": "cash", "is_cashable": True})

    paid = owner.post(f"{url}debit/", {"amount_cents": 1000, "reason": "moves away", "pay_out": "bank_transfer"})
    refused = owner.post(f"{url}debit/", {"amount_cents": 1501, "reason": "moves away", "pay_out": "cash"})

    assert (paid.status_code, paid.json()["balances"]) == (200, [{"currency": "EUR", "balance_cents": 1500}])
    assert (refused.status_code, refused.json()["error"], refused.json()["available_cents"]) == (409, "insufficient_funds", 1500)
    assert books(studio) == {"cash": 2500, "bank": -1000, "wallet": -1500}
    with account_scope(studio.account):
        assert WalletLot.objects.get().source == "top_up"


def test_a_correction_is_not_a_payout(owner, studio, url):
    rich(studio, 2500)

    refused = owner.post(f"{url}debit/", {"amount_cents": 100, "reason": "cash", "pay_out": "cash"})
    taken = owner.post(f"{url}debit/", {"amount_cents": 100, "reason": "by mistake"})

    assert (refused.status_code, refused.json()["error"]) == (409, "insufficient_funds")
    assert (taken.status_code, held(studio)) == (200, 2400)


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("credit", {"amount_cents": 0, "reason": "x"}, "amount_cents"),
        ("credit", {"amount_cents": 1.5, "reason": "x"}, "amount_cents"),
        ("credit", {"amount_cents": 5}, "reason"),
        ("credit", {"amount_cents": 5, "reason": "x", "expires_on": "2026-11-20"}, "expires_on"),
        ("credit", {"amount_cents": 5, "reason": "x", "paid_by": "stripe"}, "paid_by"),
        ("debit", {"amount_cents": -5, "reason": "x"}, "amount_cents"),
        ("points", {"points": 0, "reason": "x"}, "points"),
        ("redeem-points", {"points": 5}, "points"),
    ],
)
def test_bad_input_is_named(owner, studio, url, action, body, field):
    response = owner.post(f"{url}{action}/", body)

    assert (response.status_code, response.json()["error"]) == (400, "validation_error"), response.content
    assert list(response.json()["fields"]) == [field]
    assert held(studio) == 0


def test_a_client_without_a_login_has_an_empty_wallet_and_gets_none(owner, studio):
    url = f"/api/wallets/{studio.client.pk}/"

    refused = owner.post(f"{url}credit/", {"amount_cents": 5, "reason": "x"})

    assert (refused.status_code, refused.json()["error"]) == (409, "no_wallet")
    shown = owner.get(url).json()
    assert (shown["has_wallet"], shown["balances"], shown["lots"]) == (False, [{"currency": "EUR", "balance_cents": 0}], [])


def test_what_has_ended_is_not_shown_even_before_the_job(owner, studio, url, time_machine):
    owner.post(f"{url}credit/", {"amount_cents": 5, "reason": "x", "expires_on": "2026-11-21"})
    assert owner.get(url).json()["balances"][0]["balance_cents"] == 5
    time_machine.move_to("2026-11-21T23:00:00Z")

    shown = owner.get(url).json()

    assert (shown["balances"], shown["lots"]) == ([{"currency": "EUR", "balance_cents": 0}], [])


def test_points_are_given_listed_and_turned_into_credit(owner, studio, url):
    settings(studio, point_value_cents=5)

    given = owner.post(f"{url}points/", {"points": 30, "reason": "a survey"})
    spent = owner.post(f"{url}redeem-points/", {"points": 20})
    refused = owner.post(f"{url}redeem-points/", {"points": 11})

    assert (given.status_code, given.json()["points"], given.json()["point_value_cents"]) == (201, 30, 5)
    assert (spent.status_code, spent.json()["points"], spent.json()["balances"]) == (201, 10, [{"currency": "EUR", "balance_cents": 100}])
    assert (refused.status_code, refused.json()["error"], refused.json()["available_points"]) == (409, "insufficient_funds", 10)
    found = owner.get(f"{url}points/").json()["results"]
    assert [(row["kind"], row["points"], row["reason"]) for row in found] == [("redeemed", -20, "20 points"), ("adjusted", 30, "a survey")]


def test_a_statement_names_the_order_and_has_pages(owner, studio, url):
    rich(studio, 100)
    orders = [order_of(studio, 10) for _ in range(3)]
    for order in orders:
        spend(studio, 10, order=order)

    first = owner.get(f"{url}transactions/", {"page_size": 2}).json()
    second = owner.get(first["next"]).json()

    assert [row["order"] for row in first["results"] + second["results"]] == [*[order.pk for order in reversed(orders)], None]
    assert [row["balance_after_cents"] for row in first["results"]] == [70, 80]


def test_credit_that_is_sent_twice_is_given_once(owner, studio, url):
    body, headers = {"amount_cents": 500, "reason": "x"}, {"Idempotency-Key": "one"}

    first, second = (owner.post(f"{url}credit/", body, headers=headers) for _ in range(2))

    assert (first.status_code, second.status_code, second.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert first.json() == second.json()
    assert held(studio) == 500


def test_the_desk_reads_and_spends_points_but_gives_no_credit(client_as, studio, url):
    settings(studio, point_value_cents=5)
    desk = client_as(Role.FRONT_DESK)

    assert desk.get(url).status_code == 200
    assert desk.post(f"{url}credit/", {"amount_cents": 5, "reason": "x"}).status_code == 403
    assert desk.post(f"{url}points/", {"points": 5, "reason": "x"}).status_code == 403
    assert desk.post(f"{url}redeem-points/", {"points": 5}).status_code == 409
    assert client_as(Role.PRACTITIONER).get(url).status_code == 403


def test_another_accounts_client_has_no_wallet_here(other_owner, studio, url):
    rich(studio, 500)

    for path in (url, f"{url}transactions/", f"{url}points/"):
        assert other_owner.get(path).status_code == 404
    assert other_owner.post(f"{url}debit/", {"amount_cents": 5, "reason": "x"}).status_code == 404
    assert held(studio) == 500


@pytest.mark.parametrize("path", ["", "transactions/", "points/"])
def test_reading_takes_a_fixed_number_of_statements(owner, studio, url, statements, path):
    counts = []
    for number in (1, 3):
        for _ in range(number):
            give(studio, 100)
            owner.post(f"{url}points/", {"points": 5, "reason": "x"})
        owner.get(url + path)  # compiled
        with statements() as made:
            assert owner.get(url + path).status_code == 200
        counts.append(len(made()))
    assert counts[0] == counts[1] == (5 if not path else 4), made()


def test_credit_of_two_clients_stays_apart(owner, studio, url):
    other = ClientFactory(account=studio.account, customer=CustomerFactory())
    rich(studio, 500)

    assert owner.get(f"/api/wallets/{other.pk}/").json()["balances"] == [{"currency": "EUR", "balance_cents": 0}]
    assert owner.get(f"/api/wallets/{other.pk}/transactions/").json()["results"] == []
