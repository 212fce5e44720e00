"""A fake PayPal: Orders v2, refunds, disputes and webhooks over real HTTP.

It keeps what PayPal promises: one effect per PayPal-Request-Id, one capture per order and per invoice, nothing refunded beyond what was
captured, and it says which bytes it has sent: ``verify-webhook-signature`` recomputes a signature over the body exactly as it stands in
the request.

``python -m tests.fakes.paypal --port 8703 --webhook http://…/ --webhook-id WH-…``. Under ``/_fake/`` (JSON): ``approve/<order>`` (what
the buyer's browser does; ``{"instrument": "declined"}``), ``POST expire/<order>``, ``POST captures`` (``{"mode": "PENDING"}``),
``POST captures/<capture>`` (``{"status": "COMPLETED"}``), ``POST refunds``, ``POST refunds/<refund>``, ``POST disputes``
(``{"order": …}``), ``POST disputes/<dispute>`` (``{"outcome": "RESOLVED_SELLER_FAVOUR"}``), ``POST accounts``, ``DELETE tokens``,
``GET events``, ``POST redeliver/<event>``, ``POST faults``, ``POST latency``, ``POST deliveries``.
"""

import hmac
import json
import re
import secrets
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from zlib import crc32

from tests.fakes.server import Call, FakeServer, Refusal, Reply

WHOLE_UNITS = ("HUF", "JPY", "TWD")  # as PayPal counts them
ALGORITHM = "SHA256withRSA"
TAKEN = ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED")


def refusal(status: int, issue: str, name: str = "UNPROCESSABLE_ENTITY") -> Refusal:
    """An error as PayPal words it."""
    details = [{"issue": issue, "description": "A sentence for developers."}]
    return Refusal(
        status, {"name": name, "message": "The request could not be performed.", "debug_id": secrets.token_hex(6), "details": details}
    )


class PayPalFake(FakeServer):
    """See the module. In a test: ``fake.credentials``, ``fake.approve(order)`` as the buyer's browser, ``fake.charges`` as the truth."""

    name = "paypal"
    DEFAULT = {
        "client_id": "AFakeClientId0123456789",
        "client_secret": "EFakeClientSecret0123456789",
        "merchant_id": "FAKEMERCHANT1",
        "webhook_url": "",
        "webhook_id": "WH-FAKE-0123456789",
    }

    def __init__(self, *, account: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._run, self._count = secrets.token_hex(3).upper(), 0
        self._signing = secrets.token_hex(32)
        self.capture_mode = self.refund_mode = "COMPLETED"
        self._keys_in_use: set[tuple[str, str, str]] = set()
        self.add_account(**{**self.DEFAULT, **(account or {})})

    # -- for tests

    def add_account(
        self, *, client_id: str, client_secret: str, merchant_id: str, webhook_id: str, webhook_url: str = ""
    ) -> dict[str, str]:
        """One more account (or other words for one that is there); returns its credentials as our product takes them."""
        words = {"client_id": client_id, "client_secret": client_secret, "merchant_id": merchant_id, "webhook_id": webhook_id}
        with self.lock:
            kept: dict[str, Any] = {"orders": {}, "captures": {}, "refunds": {}, "disputes": {}, "events": {}, "keys": {}, "tokens": []}
            known = {key: value for key, value in self.accounts.get(client_id, kept).items() if key in kept}
            self.accounts[client_id] = {**known, **words, "webhook_url": webhook_url}
        return words

    @property
    def credentials(self) -> dict[str, str]:
        """The first account's, as our product takes them."""
        return {name: self.account[name] for name in ("client_id", "client_secret", "merchant_id", "webhook_id")}

    @property
    def orders(self) -> list[dict[str, Any]]:
        return self.all("orders")

    @property
    def charges(self) -> list[dict[str, Any]]:
        """Money really taken, in every account: captures that were completed."""
        return [capture for capture in self.all("captures") if capture["status"] in TAKEN]

    def approve(self, order: str, **options: str) -> dict[str, Any]:
        """What the buyer does on PayPal's page."""
        return self.do(f"approve/{order}", **options)

    def signed(self, event: str, *, at: datetime | None = None, webhook_id: str | None = None) -> tuple[dict[str, str], bytes]:
        """Headers and body of an event's delivery, for another webhook or at another time on request."""
        with self.lock:
            account, found = self.owner("events", event)
            body = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
        sent = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        transmission = secrets.token_hex(16)
        signature = self._signature(transmission, sent, webhook_id or account["webhook_id"], body)
        return {
            "PAYPAL-AUTH-ALGO": ALGORITHM,
            "PAYPAL-CERT-URL": f"{self.url}/v1/notifications/certs/CERT-1",
            "PAYPAL-TRANSMISSION-ID": transmission,
            "PAYPAL-TRANSMISSION-SIG": signature,
            "PAYPAL-TRANSMISSION-TIME": sent,
        }, body

    def _signature(self, transmission: str, sent: str, webhook_id: str, body: bytes) -> str:
        signed = f"{transmission}|{sent}|{webhook_id}|{crc32(body)}".encode()
        return b64encode(hmac.digest(self._signing.encode(), signed, "sha256")).decode()

    # -- what the server asks

    def dump(self) -> Any:
        return {"run": self._run, "count": self._count, "signing": self._signing, "accounts": self.accounts}

    def load(self, state: Any) -> None:
        self._run, self._count = state["run"], state["count"]
        self._signing, self.accounts = state["signing"], state["accounts"]
        for account in self.accounts.values():
            for order in account["orders"].values():  # an order shows its captures and refunds; they are the same objects again
                payments = order["purchase_units"][0].get("payments", {})
                for kind, shown in payments.items():
                    payments[kind] = [account[kind][one["id"]] for one in shown]

    def internal_error(self) -> Reply:
        return Reply.of({"name": "INTERNAL_SERVER_ERROR", "message": "An internal server error has occurred."}, 500)

    def admit(self, call: Call) -> Reply | None:
        if call.path == "/v1/oauth2/token":
            return None
        account = self._account(call)
        key = self._key(account, call)
        if key in self._keys_in_use:
            raise refusal(409, "PREVIOUS_REQUEST_IN_PROGRESS", "RESOURCE_CONFLICT")
        if key:
            self._keys_in_use.add(key)
        return None

    def answer(self, call: Call) -> Reply:
        if call.path == "/v1/oauth2/token":
            return self._token(call)
        account = self._account(call)
        key = self._key(account, call)
        kept = account["keys"].get("\n".join(key)) if key else None
        if kept:  # the same request again: the same object as it stands now
            found = account[kept[0]][kept[1]]
        else:
            kind, found = self._route(account, call)
            if key:
                account["keys"]["\n".join(key)] = [kind, found["id"]]
        if call.method == "POST" and "id" in found and "return=representation" not in call.headers.get("prefer", ""):
            found = {name: found[name] for name in ("id", "status", "links")}
        return Reply.of(found, 201 if call.method == "POST" and "id" in found else 200)

    def leave(self, call: Call) -> None:
        if call.path != "/v1/oauth2/token":
            key = self._key(self._account(call), call)
            if key:
                self._keys_in_use.discard(key)

    def _key(self, account: dict[str, Any], call: Call) -> tuple[str, str, str] | None:
        key = call.headers.get("paypal-request-id")
        return (account["client_id"], call.path, key) if key and call.method == "POST" else None

    def _token(self, call: Call) -> Reply:
        given = call.headers.get("authorization", "").removeprefix("Basic ")
        client_id, _, secret = b64decode(given).decode().partition(":")
        account = self.accounts.get(client_id)
        if account is None or not hmac.compare_digest(account["client_secret"].encode(), secret.encode()):
            return Reply.of({"error": "invalid_client", "error_description": "Client Authentication failed"}, 401)
        if dict(parse_qsl(call.body.decode())).get("grant_type") != "client_credentials":
            return Reply.of({"error": "unsupported_grant_type", "error_description": "unsupported grant_type"}, 400)
        token = f"A21AA{secrets.token_urlsafe(48)}"
        account["tokens"].append(token)
        return Reply.of(
            {
                "scope": "https://uri.paypal.com/services/payments/payment",
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": 32400,
            }
        )

    def _account(self, call: Call) -> dict[str, Any]:
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        for account in self.accounts.values():
            if token in account["tokens"]:
                return account
        raise Refusal(401, {"error": "invalid_token", "error_description": "Token signature verification failed"})

    # -- the API

    def _route(self, account: dict[str, Any], call: Call) -> tuple[str, dict[str, Any]]:
        match call.method, call.path.strip("/").split("/"):
            case "POST", ["v2", "checkout", "orders"]:
                return "orders", self._create_order(account, call.json, call.headers.get("paypal-request-id"))
            case "GET", ["v2", "checkout", "orders", order]:
                return "orders", self._find(account, "orders", order)
            case "POST", ["v2", "checkout", "orders", order, "capture"]:
                return "orders", self._capture(account, self._find(account, "orders", order))
            case "GET", ["v2", "payments", ("captures" | "refunds") as kind, one]:
                return kind, self._find(account, kind, one)
            case "POST", ["v2", "payments", "captures", capture, "refund"]:
                return "refunds", self._create_refund(account, self._find(account, "captures", capture), call.json)
            case "GET", ["v1", "customer", "disputes", dispute]:
                return "disputes", self._find(account, "disputes", dispute)
            case "POST", ["v1", "notifications", "verify-webhook-signature"]:
                return "", {"verification_status": "SUCCESS" if self._is_ours(account, call.body) else "FAILURE"}
        raise refusal(404, "INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND")

    def _find(self, account: dict[str, Any], kind: str, one: str) -> dict[str, Any]:
        if one not in account[kind]:
            raise refusal(404, "INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND")
        return account[kind][one]

    def _create_order(self, account: dict[str, Any], given: dict[str, Any], key: str | None) -> dict[str, Any]:
        if given.get("intent") != "CAPTURE" or len(given.get("purchase_units", ())) != 1:
            raise refusal(400, "INVALID_PARAMETER_VALUE", "INVALID_REQUEST")
        unit = dict(given["purchase_units"][0])
        _value(unit["amount"])
        if any(len(str(unit.get(name, ""))) > 127 for name in ("custom_id", "invoice_id", "description")):
            raise refusal(400, "INVALID_STRING_LENGTH", "INVALID_REQUEST")
        wallet = given.get("payment_source", {}).get("paypal")
        if wallet is not None and not key:
            raise refusal(400, "PAYPAL_REQUEST_ID_REQUIRED", "INVALID_REQUEST")
        order: dict[str, Any] = {"id": self._id(), "intent": "CAPTURE", "status": "CREATED" if wallet is None else "PAYER_ACTION_REQUIRED"}
        unit["payee"] = {"merchant_id": account["merchant_id"], "email_address": "studio@business.example"}
        experience = (wallet or {}).get("experience_context", {})
        rel = "approve" if wallet is None else "payer-action"
        links = [self._link("self", f"/v2/checkout/orders/{order['id']}"), self._link(rel, f"/_fake/approve/{order['id']}")]
        order |= {"purchase_units": [unit], "links": links, "create_time": _now(), "payment_source": {"paypal": {}}}
        account["orders"][order["id"]] = order
        account["keys"][f"return {order['id']}"] = [experience.get("return_url", ""), "ok"]
        return order

    def _capture(self, account: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
        unit = order["purchase_units"][0]
        if order["status"] == "COMPLETED":
            raise refusal(422, "ORDER_ALREADY_CAPTURED")
        if order["status"] != "APPROVED":
            raise refusal(422, "ORDER_NOT_APPROVED")
        invoices = [one["invoice_id"] for one in account["captures"].values() if one["status"] in (*TAKEN, "PENDING")]
        if unit.get("invoice_id") and unit["invoice_id"] in invoices:
            raise refusal(422, "DUPLICATE_INVOICE_ID")
        if account["keys"].pop(f"declined {order['id']}", None):
            order["status"] = "PAYER_ACTION_REQUIRED"
            raise refusal(422, "INSTRUMENT_DECLINED")
        capture = {"id": self._id(), "amount": unit["amount"], "status": self.capture_mode, "final_capture": True, "create_time": _now()}
        capture |= {"custom_id": unit.get("custom_id", ""), "invoice_id": unit.get("invoice_id")}
        capture["supplementary_data"] = {"related_ids": {"order_id": order["id"]}}
        if self.capture_mode in ("PENDING", "DECLINED"):
            capture["status_details"] = {"reason": "PENDING_REVIEW" if self.capture_mode == "PENDING" else "TRANSACTION_REFUSED"}
        capture["links"] = [
            self._link("self", f"/v2/payments/captures/{capture['id']}"),
            self._link("up", f"/v2/checkout/orders/{order['id']}"),
        ]
        account["captures"][capture["id"]] = capture
        unit.setdefault("payments", {}).setdefault("captures", []).append(capture)
        order["status"] = "COMPLETED"
        self._emit(account, f"PAYMENT.CAPTURE.{self.capture_mode}", "capture", capture)
        if self.capture_mode == "COMPLETED":
            self._emit(account, "CHECKOUT.ORDER.COMPLETED", "checkout-order", order)
        return order

    def _create_refund(self, account: dict[str, Any], capture: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        if capture["status"] == "REFUNDED":
            raise refusal(422, "CAPTURE_FULLY_REFUNDED")
        if capture["status"] not in TAKEN:
            raise refusal(422, "REFUND_NOT_PERMITTED_DUE_TO_CAPTURE_STATUS")
        left = _value(capture["amount"]) - self._given_back(account, capture)
        amount = given.get("amount") or {**capture["amount"], "value": str(left)}
        if amount["currency_code"] != capture["amount"]["currency_code"]:
            raise refusal(422, "REFUND_CAPTURE_CURRENCY_MISMATCH")
        if _value(amount) > left:
            raise refusal(422, "REFUND_AMOUNT_EXCEEDED")
        refund = {
            "id": self._id(),
            "amount": amount,
            "status": self.refund_mode,
            "custom_id": given.get("custom_id", ""),
            "create_time": _now(),
        }
        refund["links"] = [
            self._link("self", f"/v2/payments/refunds/{refund['id']}"),
            self._link("up", f"/v2/payments/captures/{capture['id']}"),
        ]
        account["refunds"][refund["id"]] = refund
        order = account["orders"][capture["supplementary_data"]["related_ids"]["order_id"]]
        order["purchase_units"][0]["payments"].setdefault("refunds", []).append(refund)
        self._recount(account, capture)
        if refund["status"] == "COMPLETED":
            self._emit(account, "PAYMENT.CAPTURE.REFUNDED", "refund", refund)
        return refund

    def _given_back(self, account: dict[str, Any], capture: dict[str, Any]) -> Decimal:
        of = [one for one in account["refunds"].values() if one["links"][1]["href"].endswith(f"/{capture['id']}")]
        return sum((_value(one["amount"]) for one in of if one["status"] in ("COMPLETED", "PENDING")), Decimal(0))

    def _recount(self, account: dict[str, Any], capture: dict[str, Any]) -> None:
        back = self._given_back(account, capture)
        capture["status"] = "COMPLETED" if not back else "REFUNDED" if back == _value(capture["amount"]) else "PARTIALLY_REFUNDED"

    def _is_ours(self, account: dict[str, Any], body: bytes) -> bool:
        """Whether these are the bytes we sent: the value of ``webhook_event`` as it stands in the request, not as it parses."""
        try:
            given, spans = _members(body.decode())
        except ValueError:
            raise refusal(400, "MALFORMED_REQUEST_JSON", "INVALID_REQUEST") from None
        needed = ("auth_algo", "cert_url", "transmission_id", "transmission_sig", "transmission_time", "webhook_id", "webhook_event")
        if set(given) != set(needed) or not re.fullmatch(r"[0-9a-f]{32}", given["transmission_id"]):
            raise refusal(400, "MISSING_REQUIRED_PARAMETER", "VALIDATION_ERROR")
        if given["webhook_id"] != account["webhook_id"] or given["auth_algo"] != ALGORITHM or not given["cert_url"].startswith(self.url):
            return False
        event = spans["webhook_event"].encode()
        expected = self._signature(given["transmission_id"], given["transmission_time"], given["webhook_id"], event)
        return hmac.compare_digest(expected.encode(), given["transmission_sig"].encode())

    # -- what happens outside the API

    def control(self, call: Call) -> Any:
        given = call.json if call.method == "POST" else {}
        match call.method, call.path.removeprefix("/_fake/").strip("/").split("/"):
            case "POST", ["accounts"]:
                return self.add_account(**given)
            case ("GET" | "POST") as method, ["approve", order]:
                return self._approve(order, browser=method == "GET", **given)
            case "POST", ["expire", order]:
                account, _ = self.owner("orders", order)
                return account["orders"].pop(order)
            case "POST", ["captures"]:
                self.capture_mode = given["mode"]
                return {}
            case "POST", ["captures", capture]:
                account, found = self.owner("captures", capture)
                found["status"] = given["status"]
                self._emit(account, f"PAYMENT.CAPTURE.{given['status'].replace('DECLINED', 'DENIED')}", "capture", found)
                return found
            case "POST", ["refunds"]:
                self.refund_mode = given["mode"]
                return {}
            case "POST", ["refunds", refund]:
                account, found = self.owner("refunds", refund)
                found["status"] = given["status"]
                self._recount(account, account["captures"][found["links"][1]["href"].rsplit("/", 1)[1]])
                name = "PAYMENT.CAPTURE.REFUNDED" if given["status"] == "COMPLETED" else "PAYMENT.REFUND.FAILED"
                self._emit(account, name, "refund", found)
                return found
            case "POST", ["disputes"]:
                return self._open_dispute(**given)
            case "POST", ["disputes", dispute]:
                account, found = self.owner("disputes", dispute)
                found |= {"status": "RESOLVED", "dispute_outcome": {"outcome_code": given["outcome"]}}
                self._emit(account, "CUSTOMER.DISPUTE.RESOLVED", "dispute", found)
                return found
            case "DELETE", ["tokens"]:
                for account in self.accounts.values():
                    account["tokens"].clear()
                return {}
        return None

    def _approve(self, order: str, *, browser: bool = False, instrument: str = "") -> Any:
        account, found = self.owner("orders", order)
        if found["status"] not in ("CREATED", "PAYER_ACTION_REQUIRED", "APPROVED"):
            raise refusal(422, "ORDER_ALREADY_CAPTURED")
        if found["status"] != "APPROVED":
            found |= {"status": "APPROVED", "payer": {"payer_id": "FAKEPAYER1"}}
            self._emit(account, "CHECKOUT.ORDER.APPROVED", "checkout-order", found)
        if instrument == "declined":
            account["keys"][f"declined {order}"] = ["", ""]
        back = account["keys"].get(f"return {order}", [""])[0]
        if browser and back:
            sign = "&" if "?" in back else "?"
            return Reply(302, b"", {"Location": f"{back}{sign}token={order}&PayerID=FAKEPAYER1"})
        return found

    def _open_dispute(self, *, order: str, reason: str = "MERCHANDISE_OR_SERVICE_NOT_RECEIVED") -> dict[str, Any]:
        account, found = self.owner("orders", order)
        capture = found["purchase_units"][0]["payments"]["captures"][-1]
        self._count += 1
        dispute: dict[str, Any] = {
            "dispute_id": f"PP-D-{self._run}-{self._count}",
            "status": "OPEN",
            "reason": reason,
            "create_time": _now(),
        }
        seller = {"merchant_id": account["merchant_id"]}
        dispute |= {
            "dispute_amount": capture["amount"],
            "disputed_transactions": [{"seller_transaction_id": capture["id"], "seller": seller}],
        }
        account["disputes"][dispute["dispute_id"]] = dispute
        self._emit(account, "CUSTOMER.DISPUTE.CREATED", "dispute", dispute)
        return dispute

    def _id(self) -> str:
        self._count += 1
        return f"{self._run}{self._count:011d}"

    def _link(self, rel: str, path: str) -> dict[str, str]:
        return {"rel": rel, "href": f"{self.url}{path}", "method": "GET"}

    def _emit(self, account: dict[str, Any], type: str, kind: str, about: dict[str, Any]) -> None:
        self._count += 1
        event = {"id": f"WH-{self._run}-{self._count:08d}", "event_version": "1.0", "create_time": _now(), "resource_type": kind}
        event |= {"event_type": type, "summary": f"Zahlung – {type}", "resource": json.loads(json.dumps(about))}
        account["events"][event["id"]] = event
        self.deliveries.announce(event["id"])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _value(amount: dict[str, str]) -> Decimal:
    """A positive amount in the currency's own precision."""
    digits = 0 if amount["currency_code"] in WHOLE_UNITS else 2
    if not re.fullmatch(r"\d{1,9}" + (r"(\.\d{1,2})?" if digits else ""), amount["value"]):
        raise refusal(422, "DECIMAL_PRECISION" if digits else "DECIMALS_NOT_SUPPORTED")
    value = Decimal(amount["value"])
    if value <= 0:
        raise refusal(422, "CANNOT_BE_ZERO_OR_NEGATIVE")
    return value


def _members(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The members of one JSON object, and the text of each value as it stands there. Raises ValueError."""
    decoder, position = json.JSONDecoder(), 0
    values: dict[str, Any] = {}
    spans: dict[str, str] = {}

    def skip(at: int, sign: str) -> int:
        at += len(text[at:]) - len(text[at:].lstrip())
        if text[at : at + 1] != sign:
            raise ValueError(f"{sign} expected")
        at += 1
        return at + len(text[at:]) - len(text[at:].lstrip())

    position = skip(0, "{")
    while True:
        name, position = decoder.raw_decode(text, position)
        start = skip(position, ":")
        values[name], position = decoder.raw_decode(text, start)
        spans[name] = text[start:position]
        if text[position:].strip() == "}":
            return values, spans
        position = skip(position, ",")


if __name__ == "__main__":
    from tests.fakes.commands import run_paypal

    run_paypal()
