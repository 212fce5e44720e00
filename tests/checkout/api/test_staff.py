"""checkout/, orders/, client-packages/, payments/ over HTTP."""

from datetime import timedelta

import pytest
import time_machine

from apps.core.models import IdempotencyKey
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.services.gifts import plain
from factories.clients import ClientFactory
from factories.packages import PackageFactory
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.usefixtures("_saturday")


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def body(studio):
    return {"client": studio.client.pk, "package": studio.package.pk, "method": "cash"}


def test_checkout_answers_order_bookings_and_payment(owner, body):
    response = owner.post("/api/checkout/", body)

    assert response.status_code == 201
    sale = response.json()
    assert [b["price_cents"] for b in sale["bookings"]] == [3334, 3333, 3333]
    assert sale["order"]["bookings"] == sale["bookings"]
    assert (sale["order"]["balance_due_cents"], sale["order"]["sessions_remaining"], sale["order"]["currency"]) == (10000, 3, "EUR")
    assert (sale["payment"]["status"], sale["payment"]["method"], sale["payment"]["amount_cents"]) == ("pending", "cash", 10000)


def test_checkout_by_bank_transfer_says_what_to_quote(owner, body):
    payment = owner.post("/api/checkout/", {**body, "method": "bank_transfer"}).json()["payment"]

    assert payment["instructions"] == {"reference": "000001", "amount_cents": 10000, "currency": "EUR", "text": ""}


def test_checkout_with_a_start_confirms_the_first_session(owner, body, studio):
    sale = owner.post("/api/checkout/", {**body, "practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()}).json()

    assert [b["status"] for b in sale["bookings"]] == ["confirmed", "draft", "draft"]


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"package": None}, 400, "validation_error", "package"),
        ({"service": "own"}, 400, "validation_error", "package"),
        ({"method": "stripe"}, 409, "provider_off", None),
        ({"method": "barter"}, 400, "validation_error", "method"),
        ({"method": None}, 400, "validation_error", "method"),
        ({"client": 2**63}, 400, "validation_error", "client"),
        ({"client": "1e2"}, 400, "validation_error", "client"),
        ({"client": True}, 400, "validation_error", "client"),
        ({"client": "foreign"}, 400, "validation_error", "client"),
        ({"package": "foreign"}, 400, "validation_error", "package"),
        ({"start_time": MONDAY_TEN.isoformat()}, 400, "validation_error", "practitioner"),
        ({"start_time": "2026-11-23T10:00:00", "practitioner": "own"}, 400, "validation_error", "start_time"),
        ({"price_cents": 1}, 400, "unknown_field", "price_cents"),
        ({"total_amount_cents": 1}, 400, "unknown_field", "total_amount_cents"),
        ({"account": 1}, 400, "unknown_field", "account"),
        ({"package": "empty"}, 409, "package_empty", None),
        ({"start_time": "2026-11-23T03:00:00Z", "practitioner": "own"}, 409, "outside_hours", None),
        ({"start_time": "2026-11-20T09:00:00Z", "practitioner": "own"}, 409, "notice_too_short", None),
        ({"start_time": "2028-11-20T09:00:00Z", "practitioner": "own"}, 409, "beyond_horizon", None),
    ],
)
def test_checkout_refuses_bad_input_and_writes_nothing(owner, body, studio, other_account, change, status, code, field):
    rows = {
        ("client", "foreign"): lambda: ClientFactory(account=other_account).pk,
        ("package", "foreign"): lambda: PackageFactory(account=other_account).pk,
        ("package", "empty"): lambda: PackageFactory(account=studio.account).pk,
        ("service", "own"): lambda: studio.service.pk,
        ("practitioner", "own"): lambda: studio.practitioner.pk,
    }
    change = {key: rows[(key, value)]() if (key, value) in rows else value for key, value in change.items()}

    response = owner.post("/api/checkout/", {**body, **change})

    assert (response.status_code, response.json()["error"]) == (status, code), response.content
    if field:
        assert list(response.json()["fields"]) == [field]
    assert owner.get("/api/orders/").json()["results"] == []


def test_checkout_twice_with_one_key_sells_once(owner, body):
    headers = {"Idempotency-Key": "sale-1"}
    first = owner.post("/api/checkout/", body, headers=headers)
    second = owner.post("/api/checkout/", body, headers=headers)
    other = owner.post("/api/checkout/", {**body, "method": "bank_transfer"}, headers=headers)

    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 422)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.json() == first.json()
    assert other.json()["error"] == "idempotency_conflict"
    assert len(owner.get("/api/orders/").json()["results"]) == 1


def test_checkout_that_failed_may_be_tried_again_with_its_key(owner, body, studio):
    headers = {"Idempotency-Key": "sale-2"}
    bad = {**body, "practitioner": studio.practitioner.pk, "start_time": "2026-11-23T03:00:00Z"}

    refused = owner.post("/api/checkout/", bad, headers=headers)
    again = owner.post("/api/checkout/", body, headers=headers)

    assert (refused.status_code, again.status_code) == (409, 201)


def test_the_code_of_a_gift_is_shown_once_and_kept_nowhere(owner, body, account):
    wanted, headers = {"client": body["client"], "method": "cash", "gift_cents": 5000}, {"Idempotency-Key": "gift"}

    first, second = (owner.post("/api/checkout/", wanted, headers=headers) for _ in range(2))

    code = first.json()["gift_code"]
    assert (first.status_code, len(plain(code)), second.headers["Idempotent-Replayed"]) == (201, 28, "true")
    assert second.json() == {**first.json(), "gift_code": ""}
    with account_scope(account):
        kept = IdempotencyKey.objects.values_list("response", "state").get()
    assert code not in str(kept)
    assert plain(code) not in str(kept)


@pytest.mark.parametrize(("quantity", "headers", "expected"), [(1, {}, 20), (10, {}, 20), (10, {"Idempotency-Key": "k"}, 23)])
def test_checkout_takes_a_fixed_number_of_statements(owner, make_studio, account, statements, quantity, headers, expected):
    studio = make_studio(account, quantity=quantity)

    with statements() as made:
        response = owner.post(
            "/api/checkout/", {"client": studio.client.pk, "package": studio.package.pk, "method": "cash"}, headers=headers
        )

    assert len(response.json()["bookings"]) == quantity
    assert len(made()) == expected, "\n".join(sql[:120] for sql in made())


def test_client_packages_are_package_orders(owner, body, studio):
    owner.post("/api/client-packages/", body)
    owner.post("/api/checkout/", {"client": studio.client.pk, "service": studio.service.pk, "method": "cash"})

    packages = owner.get("/api/client-packages/").json()["results"]
    orders = owner.get("/api/orders/").json()["results"]

    assert [p["order_type"] for p in packages] == ["package"]
    assert [o["order_type"] for o in orders] == ["service", "package"]
    assert owner.get(f"/api/client-packages/{packages[0]['id']}/").json() == packages[0]
    assert owner.get(f"/api/client-packages/{orders[0]['id']}/").status_code == 404


def test_orders_are_filtered(owner, body, studio):
    sale = owner.post("/api/checkout/", body).json()
    other = ClientFactory(account=studio.account, full_name="Zoe Quill")
    owner.post("/api/checkout/", {**body, "client": other.pk})
    owner.post(f"/api/payments/{sale['payment']['id']}/mark-received/")

    def numbers(query):
        return [o["number"] for o in owner.get(f"/api/orders/?{query}").json()["results"]]

    assert numbers(f"client={other.pk}") == ["000002"]
    assert numbers("payment_status=paid") == ["000001"]
    assert numbers("payment_status=unpaid&order_type=package&status=active") == ["000002"]
    assert numbers(f"package={studio.package.pk}") == ["000002", "000001"]
    assert numbers("search=quill") == ["000002"]
    assert numbers("search=000001") == ["000001"]
    assert owner.get("/api/orders/?payment_status=nonsense").status_code == 400


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("path", "expected"), [("orders", 4), ("client-packages", 5), ("payments", 4), ("bookings", 3)])
def test_lists_take_a_fixed_number_of_statements(owner, studio, statements, path, expected, count):
    for _ in range(count):
        studio.sell()

    with statements() as made:
        response = owner.get(f"/api/{path}/")

    assert len(response.json()["results"]) >= count
    assert len(made()) == expected, "\n".join(sql[:120] for sql in made())


def test_mark_received_settles_and_refuses_the_second_time(owner, body):
    payment = owner.post("/api/checkout/", body).json()["payment"]

    settled = owner.post(f"/api/payments/{payment['id']}/mark-received/")
    again = owner.post(f"/api/payments/{payment['id']}/mark-received/")
    extra = owner.post(f"/api/payments/{payment['id']}/mark-received/", {"amount_cents": 1})

    assert (settled.status_code, settled.json()["status"], settled.json()["captured_cents"]) == (200, "succeeded", 10000)
    assert (again.status_code, again.json()["error"], again.json()["allowed_actions"]) == (409, "invalid_transition", [])
    assert (extra.status_code, extra.json()["error"]) == (400, "unknown_field")
    order = owner.get("/api/orders/").json()["results"][0]
    assert (order["payment_status"], order["balance_due_cents"], {b["payment_status"] for b in order["bookings"]}) == ("paid", 0, {"paid"})


@pytest.mark.parametrize(
    ("role", "sell", "receive"),
    [
        ("owner", 201, 200),
        ("manager", 201, 200),
        ("front_desk", 201, 200),
        ("bookkeeper", 403, 200),
        ("practitioner", 403, 403),
        (None, 401, 401),
    ],
)
def test_who_may_sell_and_take_money(client_as, studio, body, role, sell, receive):
    payment = studio.sell().payment
    client = client_as(role)

    assert client.post("/api/checkout/", body).status_code == sell
    assert client.post(f"/api/payments/{payment.pk}/mark-received/").status_code == receive


def test_everything_of_another_account_is_missing(other_owner, studio):
    sale = studio.sell()

    paths = [
        f"orders/{sale.order.pk}",
        f"client-packages/{sale.order.pk}",
        f"payments/{sale.payment.pk}",
        f"bookings/{sale.bookings[0].pk}",
    ]
    assert [other_owner.get(f"/api/{path}/").status_code for path in paths] == [404] * 4
    assert other_owner.post(f"/api/payments/{sale.payment.pk}/mark-received/").status_code == 404
    with account_scope(studio.account):
        assert Order.objects.get().payment_status == "unpaid"


def test_expired_package_cannot_be_scheduled(owner, studio):
    sale = studio.sell()
    with account_scope(studio.account):
        Order.objects.update(expires_at=MONDAY_TEN - timedelta(hours=1))

    response = owner.post(
        f"/api/bookings/{sale.bookings[0].pk}/schedule/", {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()}
    )

    assert (response.status_code, response.json()["error"]) == (409, "package_expired")
