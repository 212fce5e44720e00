"""/api/customer/orders/, packages/, payments/, invoices/: what a client bought and pays."""

from datetime import timedelta

import pytest
import time_machine

from apps.bookings.models import Booking
from apps.core.tenancy import account_scope
from apps.payments.models import Payment, Refund
from apps.payments.services.invoices import issue_invoice
from factories.clients import ClientFactory
from factories.money import InstalmentFactory, RefundFactory
from factories.users import CustomerFactory
from tests.bookings.life import book, everything, pay
from tests.payments.credit import rich
from tests.portal import become, sign_in
from tests.studio import MONDAY_TEN, NOW, open_studio

ORDERS, PACKAGES, PAYMENTS, INVOICES = (f"/api/customer/{name}/" for name in ("orders", "packages", "payments", "invoices"))
INTERNAL = {
    "review",
    "capture_ref",
    "provider_ref",
    "payee",
    "override_reason",
    "reason",
    "client",
    "client_name",
    "placed_by",
    "source",
    "key",
}


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def me(studio):
    return sign_in(become(studio))


def get(client, path, status=200):
    response = client.get(path)
    assert response.status_code == status, response.content
    return response.json()


def post(client, path, status, **body):
    response = client.post(path, body)
    assert response.status_code == status, response.content
    return response.json()


def keys(value):
    """All names in an answer."""
    if isinstance(value, dict):
        return set(value) | {name for one in value.values() for name in keys(one)}
    return {name for one in value for name in keys(one)} if isinstance(value, list) else set()


# -- orders


def test_an_order_shows_what_was_bought_paid_and_is_due(me, studio):
    sale = studio.sell()

    order = get(me, f"{ORDERS}{sale.order.pk}/")

    bookings, payments = order.pop("bookings"), order.pop("payments")
    assert order == {
        "id": sale.order.pk,
        "account_slug": "berlin",
        "account_name": "Berlin Studio",
        "number": sale.order.number,
        "name": studio.package.package_name,
        "order_type": "package",
        "package": studio.package.pk,
        "service": None,
        "site": None,
        "status": "active",
        "payment_status": "unpaid",
        "subtotal_cents": 10000,
        "discount_cents": 0,
        "tax_cents": 0,
        "total_amount_cents": 10000,
        "paid_cents": 0,
        "refunded_cents": 0,
        "balance_due_cents": 10000,
        "currency": "EUR",
        "total_sessions": 3,
        "sessions_completed": 0,
        "sessions_remaining": 3,
        "activated_at": "2026-11-21T08:00:00Z",
        "expires_at": None,
        "due_next": {"amount_cents": 10000, "due_at": None, "kind": "balance"},
        "allowed_actions": ["pay", "schedule-next"],
        "instalments": [],
        "refunds": [],
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
    }
    assert [(session["status"], session["price_cents"]) for session in bookings] == [("draft", 3334), ("draft", 3333), ("draft", 3333)]
    assert [payment["id"] for payment in payments] == [sale.payment.pk]
    pay(studio, sale)
    paid = get(me, f"{ORDERS}{sale.order.pk}/")
    assert (paid["due_next"], paid["balance_due_cents"], paid["allowed_actions"]) == (None, 0, ["schedule-next"])


def schedule(studio, order, *lines):
    for position, (kind, cents, due_at) in enumerate(lines, start=1):
        InstalmentFactory(account=studio.account, order=order, position=position, kind=kind, amount_cents=cents, due_at=due_at)


def test_what_is_due_next_follows_the_schedule(me, studio):
    order = studio.sell().order
    schedule(studio, order, ("deposit", 3000, NOW), ("balance", 7000, MONDAY_TEN))

    def after(**sums):
        with account_scope(studio.account):
            for name, cents in sums.items():
                setattr(order, name, cents)
            order.save()
        return get(me, f"{ORDERS}{order.pk}/")["due_next"]

    deposit = {"amount_cents": 3000, "due_at": "2026-11-21T08:00:00Z", "kind": "deposit"}
    assert after() == deposit
    assert after(paid_cents=1000) == {**deposit, "amount_cents": 2000}
    assert after(paid_cents=3000) == {"amount_cents": 7000, "due_at": "2026-11-23T09:00:00Z", "kind": "balance"}
    assert after(paid_cents=3000, refunded_cents=500) == {**deposit, "amount_cents": 500}
    assert after(refunded_cents=0, total_amount_cents=9000) == {"amount_cents": 6000, "due_at": "2026-11-23T09:00:00Z", "kind": "balance"}
    assert after(total_amount_cents=12000, paid_cents=10000) == {"amount_cents": 2000, "due_at": None, "kind": "balance"}
    assert after(paid_cents=12000) is None
    assert after(paid_cents=0, status="cancelled") is None


def test_nothing_internal_is_shown(me, studio):
    sale = studio.sell()
    pay(studio, sale)
    RefundFactory(
        account=studio.account, payment=sale.payment, order=sale.order, client=studio.client, status="requested", reason="quarrel"
    )
    with account_scope(studio.account):
        Payment.objects.update(review="amount_mismatch", capture_ref="ch_1", payee="acct_1")
        issue_invoice(sale.order)

    for path in (ORDERS, PACKAGES, PAYMENTS):
        assert keys(get(me, path)["results"]) & INTERNAL == set()
        assert "quarrel" not in str(get(me, path))
    invoice = get(me, INVOICES)["results"][0]
    assert set(invoice) & INTERNAL == set()
    assert [refund["status"] for refund in get(me, ORDERS)["results"][0]["refunds"]] == ["pending"]
    with account_scope(studio.account):
        Refund.objects.update(status="unknown")
    assert [refund["status"] for refund in get(me, ORDERS)["results"][0]["refunds"]] == ["pending"]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("path", "needed"), [(ORDERS, 8), (PACKAGES, 8), (PAYMENTS, 4), (INVOICES, 4)])
def test_lists_take_a_fixed_number_of_statements(me, studio, count, path, needed, statements):
    for _ in range(count):
        sale = studio.sell()
        pay(studio, sale)
        schedule(studio, sale.order, ("deposit", 3000, NOW))
        RefundFactory(account=studio.account, payment=sale.payment, order=sale.order, client=studio.client)
        with account_scope(studio.account):
            issue_invoice(sale.order)
    get(me, path)

    with statements() as made:
        rows = get(me, path)["results"]

    assert len(rows) == count
    assert len(made()) == needed, made()  # token, clients, scope, rows; of orders sessions, instalments, payments, refunds


def test_purchases_at_several_businesses_are_seen_together_or_one_by_one(studio, make_studio, other_account):
    person = become(studio)
    there = make_studio(other_account)
    become(there, person)
    here, elsewhere = studio.sell().order, there.sell().order
    me = sign_in(person)

    for path in (ORDERS, PACKAGES):
        assert {row["id"] for row in get(me, path)["results"]} == {here.pk, elsewhere.pk}
        assert [row["id"] for row in get(me, f"{path}?account=new-york")["results"]] == [elsewhere.pk]
    assert get(me, f"{ORDERS}?account=nowhere", 400)["error"] == "validation_error"
    assert {row["account_slug"] for row in get(me, PAYMENTS)["results"]} == {"berlin", "new-york"}


def test_filters(me, studio):
    package, single = studio.sell(), studio.sell(service=studio.service)
    pay(studio, single)

    assert [row["id"] for row in get(me, f"{ORDERS}?payment_status=paid")["results"]] == [single.order.pk]
    assert [row["id"] for row in get(me, PACKAGES)["results"]] == [package.order.pk]
    assert [row["id"] for row in get(me, f"{PAYMENTS}?status=pending")["results"]] == [package.payment.pk]
    assert get(me, f"{PAYMENTS}?order=1", 400)["error"] == "unknown_field"


def test_what_somebody_else_bought_does_not_exist(me, studio):
    theirs = studio.sell(client=ClientFactory(account=studio.account, customer=CustomerFactory()))
    pay(studio, theirs)
    with account_scope(studio.account):
        invoice = issue_invoice(theirs.order)
    before = everything(studio)

    for path in (
        f"{ORDERS}{theirs.order.pk}/",
        f"{PACKAGES}{theirs.order.pk}/",
        f"{PAYMENTS}{theirs.payment.pk}/",
        f"{INVOICES}{invoice.pk}/",
    ):
        assert get(me, path, 404)["error"] == "not_found"
    assert get(me, f"{INVOICES}{invoice.pk}/pdf/", 404)["error"] == "not_found"
    for path, action in ((f"{ORDERS}{theirs.order.pk}/", "pay"), (f"{PAYMENTS}{theirs.payment.pk}/", "confirm")):
        assert post(me, f"{path}{action}/", 404, method="cash")["error"] == "not_found"
    assert everything(studio) == before


# -- paying


def test_what_is_due_is_paid_with_credit(me, studio):
    rich(studio, 9000)
    order = studio.sell().order
    schedule(studio, order, ("deposit", 3000, NOW), ("balance", 7000, MONDAY_TEN))

    payment = post(me, f"{ORDERS}{order.pk}/pay/", 201, method="wallet")

    assert (payment["status"], payment["amount_cents"]) == ("succeeded", 3000)
    assert get(me, f"{ORDERS}{order.pk}/")["due_next"]["amount_cents"] == 7000
    refused = post(me, f"{ORDERS}{order.pk}/pay/", 409, method="wallet", amount="balance")
    assert (refused["error"], refused["available_cents"]) == ("insufficient_funds", 6000)


def test_a_balance_is_paid_by_bank_transfer(me, studio):
    order = studio.sell().order

    payment = post(me, f"{PACKAGES}{order.pk}/pay/", 201, method="bank_transfer", amount="balance")

    assert (payment["status"], payment["amount_cents"]) == ("pending", 10000)
    assert payment["instructions"] == {"reference": payment["reference"], "amount_cents": 10000, "currency": "EUR", "text": ""}
    assert [one["status"] for one in get(me, PAYMENTS + "?ordering=id")["results"]] == ["cancelled", "pending"]


@pytest.mark.parametrize(
    "body",
    [
        {"method": "barter"},
        {"method": "cash", "amount": "1"},
        {"method": "cash", "amount_cents": 1},
        {},
        {"method": "cash", "return_url": "x"},
    ],
)
def test_a_payment_that_cannot_be_right_is_refused(me, studio, body):
    order = studio.sell().order
    before = everything(studio)

    post(me, f"{ORDERS}{order.pk}/pay/", 400, **body)

    assert everything(studio) == before


def test_ways_that_are_not_offered_online_are_refused(me, studio):
    studio.account.settings = {"online_cash": False}
    studio.account.save()
    order = studio.sell(method="bank_transfer").order

    assert post(me, f"{ORDERS}{order.pk}/pay/", 409, method="cash")["error"] == "method_not_offered"
    assert post(me, f"{ORDERS}{order.pk}/pay/", 409, method="stripe")["error"] == "provider_off"


def test_the_same_key_pays_once(me, studio):
    order = studio.sell().order
    headers = {"Idempotency-Key": "one"}

    first, again = (me.post(f"{ORDERS}{order.pk}/pay/", {"method": "bank_transfer"}, headers=headers) for _ in range(2))

    assert (first.status_code, again.json()) == (201, first.json())
    with account_scope(studio.account):
        assert Payment.objects.filter(method="bank_transfer").count() == 1


def test_confirming_a_payment_by_hand_says_how_it_stands(me, studio):
    sale = studio.sell()

    assert post(me, f"{PAYMENTS}{sale.payment.pk}/confirm/", 200) == get(me, f"{PAYMENTS}{sale.payment.pk}/")


# -- packages


def test_the_next_session_of_a_package_is_booked(me, studio):
    sale = studio.sell()
    pay(studio, sale)

    booking = post(me, f"{PACKAGES}{sale.order.pk}/schedule-next/", 200, start_time="2026-11-23T10:00:00+01:00")

    assert (booking["id"], booking["status"], booking["start_time"]) == (sale.bookings[0].pk, "confirmed", "2026-11-23T09:00:00Z")
    assert "client_name" not in booking
    taken = post(me, f"{PACKAGES}{sale.order.pk}/schedule-next/", 409, start_time="2026-11-23T10:00:00+01:00")
    assert taken["error"] == "slot_taken"
    with account_scope(studio.account):
        assert Booking.objects.filter(order=sale.order, status="confirmed").count() == 1


def test_a_client_books_on_the_clients_terms(me, studio):
    sale = studio.sell()
    pay(studio, sale)
    with account_scope(studio.account):
        studio.service.min_notice_minutes = 7 * 24 * 60
        studio.service.save()

    path = f"{PACKAGES}{sale.order.pk}/schedule-next/"

    assert post(me, path, 409, start_time="2026-11-23T10:00:00+01:00")["error"] == "notice_too_short"
    assert post(me, path, 400, start_time="2026-11-23T10:00:00+01:00", override=True, reason="me")["error"] == "unknown_field"


def test_a_package_without_unscheduled_sessions_has_none_left(me, studio):
    sale = studio.sell()
    pay(studio, sale)
    for number, session in enumerate(sale.bookings):
        book(studio, session, start=MONDAY_TEN + timedelta(hours=number))

    assert get(me, f"{PACKAGES}{sale.order.pk}/")["allowed_actions"] == []
    assert post(me, f"{PACKAGES}{sale.order.pk}/schedule-next/", 409, start_time="2026-11-24T10:00:00+01:00")["error"] == "no_sessions_left"


# -- invoices


def test_an_invoice_is_read_and_downloaded(me, studio):
    sale = studio.sell()
    pay(studio, sale)
    with account_scope(studio.account):
        invoice = issue_invoice(sale.order)

    shown, pdf = get(me, f"{INVOICES}{invoice.pk}/"), me.get(f"{INVOICES}{invoice.pk}/pdf/")

    assert (shown["number"], shown["kind"], shown["total_cents"]) == (invoice.number, "invoice", 10000)
    assert (pdf.status_code, pdf.headers["Content-Type"], pdf.content[:5]) == (200, "application/pdf", b"%PDF-")


def test_a_studio_that_was_left_is_not_shown(studio):
    """A client whose account was closed is out of reach, and so is what they bought."""
    person, there = CustomerFactory(), open_studio()
    become(studio, person)
    become(there, person)
    gone = there.sell().order
    there.account.status = "closed"
    there.account.save()

    assert get(sign_in(person), ORDERS)["results"] == []
    assert get(sign_in(person), f"{ORDERS}{gone.pk}/", 404)["error"] == "not_found"
