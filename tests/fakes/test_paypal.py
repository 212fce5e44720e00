"""The fake PayPal's word, asked with plain HTTP."""

import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

ORDER = {"intent": "CAPTURE", "purchase_units": [{"amount": {"currency_code": "EUR", "value": "10.00"}, "invoice_id": "i1"}]}


@pytest.fixture
def client(paypal_fake):
    words = paypal_fake.credentials
    basic = b64encode(f"{words['client_id']}:{words['client_secret']}".encode()).decode()
    with httpx.Client(base_url=paypal_fake.url) as http:
        form = {"grant_type": "client_credentials"}
        token = http.post("/v1/oauth2/token", data=form, headers={"Authorization": f"Basic {basic}"}).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


def captured(fake: Any, client: httpx.Client) -> dict[str, Any]:
    order = client.post("/v2/checkout/orders", json=ORDER).json()["id"]
    fake.approve(order)
    answer = client.post(f"/v2/checkout/orders/{order}/capture", json={}, headers={"Prefer": "return=representation"}).json()
    return answer["purchase_units"][0]["payments"]["captures"][0]


def test_without_a_token_nothing(paypal_fake):
    assert httpx.post(f"{paypal_fake.url}/v2/checkout/orders", json=ORDER).status_code == 401
    assert httpx.post(f"{paypal_fake.url}/v1/oauth2/token", data={"grant_type": "client_credentials"}, auth=("x", "y")).status_code == 401
    assert paypal_fake.orders == []


def test_a_request_id_makes_one_order_and_shows_how_it_stands_now(paypal_fake, client):
    headers = {"PayPal-Request-Id": "k1"}
    first = client.post("/v2/checkout/orders", json=ORDER, headers=headers)
    paypal_fake.approve(first.json()["id"])
    again = client.post("/v2/checkout/orders", json=ORDER, headers=headers)

    assert set(first.json()) == {"id", "status", "links"}  # the whole order only when it is asked for
    assert (first.status_code, first.json()["status"]) == (201, "CREATED")
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "APPROVED")
    assert len(paypal_fake.orders) == 1


def test_an_order_is_captured_once_and_only_when_approved(paypal_fake, client):
    order = client.post("/v2/checkout/orders", json=ORDER).json()["id"]
    path = f"/v2/checkout/orders/{order}/capture"

    early = client.post(path, json={})
    assert (early.status_code, early.json()["details"][0]["issue"]) == (422, "ORDER_NOT_APPROVED")
    paypal_fake.approve(order)
    assert client.post(path, json={}).json()["status"] == "COMPLETED"
    late = client.post(path, json={})
    assert (late.status_code, late.json()["details"][0]["issue"]) == (422, "ORDER_ALREADY_CAPTURED")
    assert len(paypal_fake.charges) == 1


def test_the_buyers_browser_is_sent_back(paypal_fake, client):
    wallet = {"paypal": {"experience_context": {"return_url": "https://studio.example/back?x=1"}}}
    order = client.post("/v2/checkout/orders", json={**ORDER, "payment_source": wallet}, headers={"PayPal-Request-Id": "k"}).json()
    (link,) = (link["href"] for link in order["links"] if link["rel"] == "payer-action")

    answer = httpx.get(link)

    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        f"https://studio.example/back?x=1&token={order['id']}&PayerID=FAKEPAYER1",
    )


@pytest.mark.parametrize("value", ["10.01", "0.00", "-1.00", "1.001", "x"])
def test_refunds_stay_within_the_capture(paypal_fake, client, value):
    capture = captured(paypal_fake, client)
    answer = client.post(f"/v2/payments/captures/{capture['id']}/refund", json={"amount": {"currency_code": "EUR", "value": value}})

    assert answer.status_code == 422
    assert paypal_fake.refunds == []


def test_refunds_stay_within_the_capture_in_sum(paypal_fake, client):
    capture = captured(paypal_fake, client)
    part = {"amount": {"currency_code": "EUR", "value": "6.00"}}
    path = f"/v2/payments/captures/{capture['id']}/refund"

    assert client.post(path, json=part).status_code == 201
    answer = client.post(path, json=part)
    assert (answer.status_code, answer.json()["details"][0]["issue"]) == (422, "REFUND_AMOUNT_EXCEEDED")
    assert client.post(path, json={}).status_code == 201  # the rest
    assert client.post(path, json={}).json()["details"][0]["issue"] == "CAPTURE_FULLY_REFUNDED"


def ask(client: httpx.Client, fake: Any, headers: dict[str, str], body: bytes) -> Any:
    words = {name.removeprefix("PAYPAL-").replace("-", "_").lower(): value for name, value in headers.items()}
    envelope = json.dumps({**words, "webhook_id": fake.credentials["webhook_id"]})[:-1].encode()
    return client.post("/v1/notifications/verify-webhook-signature", content=envelope + b',"webhook_event":' + body + b"}").json()


def test_it_knows_its_own_bytes(paypal_fake, client):
    captured(paypal_fake, client)
    headers, body = paypal_fake.signed(paypal_fake.events[0]["id"])

    assert ask(client, paypal_fake, headers, body) == {"verification_status": "SUCCESS"}
    for other in (json.dumps(json.loads(body)).encode(), body.replace(b"10.00", b"10.01"), body.replace("–".encode(), b"\\u2013")):
        assert other != body
        assert ask(client, paypal_fake, headers, other) == {"verification_status": "FAILURE"}
