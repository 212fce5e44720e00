"""A fake Stripe: PaymentIntents, refunds, disputes and signed webhooks over real HTTP.

It keeps what Stripe promises: one effect per idempotency key, nothing refunded beyond what was charged, declines as 402, events that
are delivered until accepted. Several accounts live in one fake; a secret key sees its own account only.

``python -m tests.fakes.stripe --port 8702 --webhook http://…/ --secret whsec_…``. Under ``/_fake/`` (JSON): ``POST accounts``,
``POST authenticate/<intent>`` (``{"outcome": "failed"}``), ``POST finish/<intent>`` of one in processing, ``POST refunds``
(``{"mode": "pending"}``), ``POST refunds/<refund>`` (``{"status": "succeeded"}``), ``POST disputes``, ``POST disputes/<dispute>``,
``POST forget-keys``, ``GET events``, ``POST redeliver/<event>``, ``POST faults``, ``POST latency``, ``POST deliveries``.
"""

import json
import secrets
import time
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

from stripe import WebhookSignature

from tests.fakes.server import Call, FakeServer, Refusal, Reply, nested

API_VERSION = "2026-10-28.endive"
DECLINES = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", ""),
}
METHODS = ("pm_card_visa", "pm_card_authenticationRequired", "pm_usBankAccount", *DECLINES)
ZERO_DECIMAL = ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
MINIMUM = 50  # of the smallest unit; Stripe refuses less
OPEN_INTENT = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")


def refusal(status: int, message: str, *, code: str = "", type: str = "invalid_request_error", param: str = "", **more: Any) -> Refusal:
    """An error as Stripe words it; what it does not know is left out."""
    error = {"type": type, "message": message, "code": code, "param": param, **more}
    return Refusal(status, {"error": {name: value for name, value in error.items() if value != ""}})


class StripeFake(FakeServer):
    """See the module. In a test: ``fake.credentials``, ``fake.confirm(intent)`` as the client's browser, ``fake.charges`` as the truth."""

    name = "stripe"
    DEFAULT = {
        "id": "acct_fake",
        "name": "Berlin Studio",
        "secret_key": "sk_test_fakeSecretKey0123456789",
        "publishable_key": "pk_test_fakePublishableKey012345",
        "webhook_url": "",
        "webhook_secret": "whsec_fakeWebhookSecret0123456789",
    }

    def __init__(self, *, account: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._run, self._count = secrets.token_hex(3), 0
        self.refund_mode = "succeeded"
        self._keys_in_use: set[tuple[str, str]] = set()
        self.add_account(**{**self.DEFAULT, **(account or {})})

    # -- for tests

    def add_account(
        self, *, secret_key: str, publishable_key: str, webhook_secret: str, webhook_url: str = "", id: str = "", name: str = "Studio"
    ) -> dict[str, str]:
        """One more account (or other words for one that is there); returns its credentials as our product takes them."""
        with self.lock:
            kept: dict[str, Any] = {"intents": {}, "charges": {}, "refunds": {}, "disputes": {}, "events": {}, "keys": {}}
            known = {key: value for key, value in self.accounts.get(secret_key, kept).items() if key in kept}
            words = {"id": id or f"acct_{len(self.accounts)}", "name": name, "secret_key": secret_key, "publishable_key": publishable_key}
            self.accounts[secret_key] = {**known, **words, "webhook_url": webhook_url, "webhook_secret": webhook_secret}
        return {"publishable_key": publishable_key, "secret_key": secret_key, "webhook_secret": webhook_secret}

    @property
    def credentials(self) -> dict[str, str]:
        """The first account's, as our product takes them."""
        return {name: self.account[name] for name in ("publishable_key", "secret_key", "webhook_secret")}

    @property
    def intents(self) -> list[dict[str, Any]]:
        return self.all("intents")

    @property
    def charges(self) -> list[dict[str, Any]]:
        """Money really taken, in every account: charges that succeeded and were captured."""
        return [charge for charge in self.all("charges") if charge["status"] == "succeeded" and charge["amount_captured"]]

    def confirm(self, intent: str, payment_method: str = "pm_card_visa") -> tuple[int, dict[str, Any]]:
        """What Stripe.js does in the client's browser: the status and the answer."""
        with self.lock:
            account, found = self.owner("intents", intent)
        form = {"payment_method": payment_method, "client_secret": found["client_secret"], "return_url": "https://studio.example/back"}
        return self.send(f"/v1/payment_intents/{intent}/confirm", urlencode(form), Authorization=f"Bearer {account['publishable_key']}")

    def signed(self, event: str, *, secret: str | None = None, at: float | None = None) -> tuple[dict[str, str], bytes]:
        """Headers and body of an event's delivery, with another secret or at another time on request."""
        with self.lock:
            account, found = self.owner("events", event)
            body = json.dumps(found, indent=2)  # Stripe's own layout: who encodes it again breaks the signature
            key = account["webhook_secret"] if secret is None else secret
        header = WebhookSignature.generate_signature_header(body, key, None if at is None else int(at))
        return {"Stripe-Signature": header}, body.encode()

    # -- what the server asks

    def dump(self) -> Any:
        return {"run": self._run, "count": self._count, "accounts": self.accounts}

    def load(self, state: Any) -> None:
        self._run, self._count, self.accounts = state["run"], state["count"], state["accounts"]

    def admit(self, call: Call) -> Reply | None:
        account = self._account(call)
        key = self._idempotency(account, call)
        if key is None:
            return None
        kept = account["keys"].get(key[1])
        if kept and kept["request"] != self._fingerprint(call):
            message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
            raise refusal(400, message, type="idempotency_error")
        if kept:
            return Reply.of(kept["content"], kept["status"], **self._headers(call), **{"Idempotent-Replayed": "true"})
        if key in self._keys_in_use:
            message = "There is currently another in-progress request using this Idempotent Key."
            raise refusal(409, message, code="idempotency_key_in_use", type="idempotency_error")
        self._keys_in_use.add(key)
        return None

    def answer(self, call: Call) -> Reply:
        account = self._account(call)
        status, executed = 200, True
        try:
            content = self._route(account, call)
        except Refusal as refused:
            content, status = json.loads(refused.reply.body), refused.reply.status
            executed = status == 402  # a call that fails its validation is not remembered
        key = self._idempotency(account, call)
        if key and executed:
            account["keys"][key[1]] = {"request": self._fingerprint(call), "status": status, "content": json.loads(json.dumps(content))}
        return Reply.of(content, status, **self._headers(call))

    def leave(self, call: Call) -> None:
        key = self._idempotency(self._account(call), call)
        if key:
            self._keys_in_use.discard(key)

    def _account(self, call: Call) -> dict[str, Any]:
        key = call.headers.get("authorization", "").removeprefix("Bearer ")
        public = next((one for one in self.accounts.values() if one["publishable_key"] == key), None)
        if key in self.accounts:
            return self.accounts[key]
        if public and self._client_secret(call):
            return public
        if public:
            raise refusal(401, "This API call cannot be made with a publishable API key.", code="secret_key_required")
        raise refusal(401, f"Invalid API Key provided: {key[:8]}****{key[-4:]}")

    def _client_secret(self, call: Call) -> str:
        return dict(parse_qsl(call.body.decode())).get("client_secret", "") or call.query.get("client_secret", "")

    def _idempotency(self, account: dict[str, Any], call: Call) -> tuple[str, str] | None:
        key = call.headers.get("idempotency-key")
        return (account["id"], key) if key and call.method == "POST" else None

    def _fingerprint(self, call: Call) -> str:
        return sha256(f"{call.path}\n{sorted(parse_qsl(call.body.decode()))}".encode()).hexdigest()

    def _headers(self, call: Call) -> dict[str, str]:
        return {"Request-Id": f"req_{secrets.token_hex(7)}", "Stripe-Version": call.headers.get("stripe-version", API_VERSION)}

    # -- the API

    def _route(self, account: dict[str, Any], call: Call) -> Any:
        form = nested(parse_qsl(call.body.decode() if call.method == "POST" else urlencode(call.query), keep_blank_values=True))
        expand = list(form.pop("expand", {}).values())
        match call.method, call.path.removeprefix("/v1/").split("/"):
            case "GET", ["account"]:
                found: Any = {"id": account["id"], "object": "account", "settings": {"dashboard": {"display_name": account["name"]}}}
            case "POST", ["payment_intents"]:
                found = self._create_intent(account, form)
            case "GET", ["payment_intents", intent]:
                found = self._intent(account, intent, call)
            case "POST", ["payment_intents", intent, "confirm"]:
                found = self._confirm(account, self._intent(account, intent, call), form)
            case "POST", ["payment_intents", intent, "capture"]:
                found = self._capture(account, self._intent(account, intent, call), form)
            case "POST", ["payment_intents", intent, "cancel"]:
                found = self._cancel(account, self._intent(account, intent, call))
            case "POST", ["refunds"]:
                found = self._create_refund(account, form)
            case "GET", ["refunds"]:
                refunds = [one for one in account["refunds"].values() if form.get("payment_intent") in (None, one["payment_intent"])]
                limit = int(form.get("limit", 10))
                data = refunds[::-1][:limit]
                found = {"object": "list", "data": data, "has_more": len(refunds) > limit, "url": "/v1/refunds"}
            case "GET", [("refunds" | "disputes" | "charges" | "events") as kind, one]:
                found = self._find(account, kind, one)
            case _:
                raise refusal(404, f"Unrecognized request URL ({call.method}: {call.path}).")
        if "latest_charge" in expand and found.get("latest_charge"):
            found = {**found, "latest_charge": account["charges"][found["latest_charge"]]}
        return found

    def _find(self, account: dict[str, Any], kind: str, one: str) -> dict[str, Any]:
        if one not in account[kind]:
            raise refusal(404, f"No such {kind.removesuffix('s')}: '{one}'", code="resource_missing", param="id")
        return account[kind][one]

    def _intent(self, account: dict[str, Any], intent: str, call: Call) -> dict[str, Any]:
        found = account["intents"].get(intent)
        if found is None:
            raise refusal(404, f"No such payment_intent: '{intent}'", code="resource_missing", param="intent")
        public = not call.headers["authorization"].endswith(account["secret_key"])
        if public and not secrets.compare_digest(found["client_secret"], self._client_secret(call)):
            raise refusal(400, "The client_secret provided does not match.", code="payment_intent_invalid_parameter", param="client_secret")
        return found

    def _create_intent(self, account: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        amount, currency = _amount(form), str(form.get("currency", "")).lower()
        if len(currency) != 3 or not currency.isalpha():
            raise refusal(400, f"Invalid currency: {currency}.", param="currency")
        if amount < MINIMUM:
            raise refusal(400, "Amount must convert to at least 50 cents.", code="amount_too_small", param="amount")
        if currency in ("isk", "ugx") and amount % 100:
            raise refusal(400, "Amount must be a multiple of 100.", code="parameter_invalid_integer", param="amount")
        intent = self._new("pi", "payment_intent", livemode=False, amount=amount, currency=currency)
        intent |= {
            "amount_capturable": 0,
            "amount_received": 0,
            "automatic_payment_methods": form.get("automatic_payment_methods"),
            "canceled_at": None,
            "capture_method": form.get("capture_method", "automatic"),
            "client_secret": f"{intent['id']}_secret_{secrets.token_hex(12)}",
            "description": form.get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": form.get("metadata", {}),
            "next_action": None,
            "payment_method": None,
            "receipt_email": form.get("receipt_email"),
            "status": "requires_payment_method",
        }
        account["intents"][intent["id"]] = intent
        self._emit(account, "payment_intent.created", intent)
        return intent

    def _confirm(self, account: dict[str, Any], intent: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
            raise self._unexpected(intent, "confirm")
        method = form.get("payment_method", "")
        if method not in METHODS:
            raise refusal(400, f"No such PaymentMethod: '{method}'", code="resource_missing", param="payment_method")
        intent |= {"payment_method": method, "next_action": None, "last_payment_error": None}
        if method in DECLINES:
            code, decline = DECLINES[method]
            raise self._decline(account, intent, code, decline)
        if method == "pm_card_authenticationRequired":
            to = {"url": f"{self.url}/_fake/authenticate/{intent['id']}", "return_url": form.get("return_url")}
            intent |= {"status": "requires_action", "next_action": {"type": "redirect_to_url", "redirect_to_url": to}}
            self._emit(account, "payment_intent.requires_action", intent)
        elif method == "pm_usBankAccount":
            intent["status"] = "processing"
            self._emit(account, "payment_intent.processing", intent)
        else:
            self._charge(account, intent)
        return intent

    def _charge(self, account: dict[str, Any], intent: dict[str, Any], *, failed: str = "") -> None:
        """A charge of the whole amount; the money is taken unless it is only authorised or has failed."""
        manual = intent["capture_method"] == "manual"
        charge = self._new("ch", "charge", amount=intent["amount"], currency=intent["currency"], payment_intent=intent["id"])
        charge |= {
            "status": "failed" if failed else "succeeded",
            "captured": not manual and not failed,
            "refunded": False,
            "amount_refunded": 0,
        }
        charge |= {"amount_captured": intent["amount"] if charge["captured"] else 0, "disputed": False, "failure_code": failed or None}
        account["charges"][charge["id"]] = charge
        intent["latest_charge"] = charge["id"]
        if failed:
            self._emit(account, "charge.failed", charge)
        elif manual:
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"], "next_action": None}
            self._emit(account, "payment_intent.amount_capturable_updated", intent)
        else:
            intent |= {"status": "succeeded", "amount_received": intent["amount"], "next_action": None}
            self._emit(account, "charge.succeeded", charge)
            self._emit(account, "payment_intent.succeeded", intent)

    def _decline(self, account: dict[str, Any], intent: dict[str, Any], code: str, decline: str) -> Refusal:
        self._charge(account, intent, failed=code)
        error = {"type": "card_error", "code": code, "message": "Your card was declined.", "charge": intent["latest_charge"]}
        error |= {"decline_code": decline} if decline else {}
        intent |= {"status": "requires_payment_method", "next_action": None, "payment_method": None, "last_payment_error": error}
        self._emit(account, "payment_intent.payment_failed", intent)
        return Refusal(402, {"error": {**error, "payment_intent": intent}})

    def _capture(self, account: dict[str, Any], intent: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        if intent["status"] != "requires_capture":
            raise self._unexpected(intent, "capture")
        amount = _amount({"amount": form.get("amount_to_capture", intent["amount"])})
        if amount > intent["amount_capturable"]:
            raise refusal(400, "The amount to capture is too large.", code="amount_too_large", param="amount_to_capture")
        charge = account["charges"][intent["latest_charge"]]
        charge |= {"captured": True, "amount_captured": amount}
        intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
        self._emit(account, "charge.captured", charge)
        self._emit(account, "payment_intent.succeeded", intent)
        return intent

    def _cancel(self, account: dict[str, Any], intent: dict[str, Any]) -> dict[str, Any]:
        if intent["status"] not in OPEN_INTENT:
            raise self._unexpected(intent, "cancel")
        intent |= {"status": "canceled", "canceled_at": int(time.time()), "amount_capturable": 0, "next_action": None}
        self._emit(account, "payment_intent.canceled", intent)
        return intent

    def _unexpected(self, intent: dict[str, Any], verb: str) -> Refusal:
        message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
        return refusal(400, message, code="payment_intent_unexpected_state", payment_intent=intent)

    def _create_refund(self, account: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        if "charge" in form:
            charge = self._find(account, "charges", form["charge"])
        else:
            intent = account["intents"].get(form.get("payment_intent"))
            if intent is None:
                raise refusal(404, "No such payment_intent", code="resource_missing", param="payment_intent")
            charge = account["charges"].get(intent["latest_charge"])
        if charge is None or not charge["amount_captured"]:
            raise refusal(400, "This PaymentIntent does not have a successful charge to refund.", param="payment_intent")
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = _amount({"amount": form.get("amount", left)}) if left else 1
        if left == 0:
            raise refusal(400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        if charge["disputed"]:
            raise refusal(400, f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
        if amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise refusal(400, message, code="amount_too_large", param="amount")
        refund = self._new("re", "refund", amount=amount, currency=charge["currency"], charge=charge["id"])
        refund |= {"payment_intent": charge["payment_intent"], "metadata": form.get("metadata", {}), "reason": form.get("reason")}
        account["refunds"][refund["id"]] = refund
        refund["status"] = self.refund_mode
        self._recount(account, charge)
        self._emit(account, "refund.created", refund)
        self._emit(
            account,
            "refund.failed" if refund["status"] == "failed" else "charge.refunded",
            charge if refund["status"] != "failed" else refund,
        )
        return refund

    def _recount(self, account: dict[str, Any], charge: dict[str, Any]) -> None:
        """What has been given back, with what is still on its way; a refund that failed leaves the money where it was."""
        refunds = [one for one in account["refunds"].values() if one["charge"] == charge["id"]]
        charge["amount_refunded"] = sum(one["amount"] for one in refunds if one["status"] in ("pending", "requires_action", "succeeded"))
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]

    # -- what happens outside the API

    def control(self, call: Call) -> Any:
        given = call.json if call.method == "POST" else {}
        match call.method, call.path.removeprefix("/_fake/").strip("/").split("/"):
            case "POST", ["accounts"]:
                return self.add_account(**given)
            case _, ["authenticate", intent]:
                return self._finish(intent, "requires_action", given.get("outcome") or call.query.get("outcome", "succeeded"))
            case "POST", ["finish", intent]:
                return self._finish(intent, "processing", given.get("outcome", "succeeded"))
            case "POST", ["refunds"]:
                self.refund_mode = given["mode"]
                return {}
            case "POST", ["refunds", refund]:
                account, found = self.owner("refunds", refund)
                found["status"] = given["status"]
                self._recount(account, account["charges"][found["charge"]])
                self._emit(account, "refund.updated", found)
                self._emit(account, "refund.failed" if found["status"] == "failed" else "charge.refund.updated", found)
                return found
            case "POST", ["disputes"]:
                return self._open_dispute(**given)
            case "POST", ["disputes", dispute]:
                account, found = self.owner("disputes", dispute)
                found["status"] = given["status"]
                account["charges"][found["charge"]]["disputed"] = found["status"] != "won"
                self._emit(account, "charge.dispute.closed" if found["status"] in ("won", "lost") else "charge.dispute.updated", found)
                return found
            case "POST", ["forget-keys"]:  # as Stripe does after a day
                for account in self.accounts.values():
                    account["keys"].clear()
                return {}
        return None

    def _finish(self, intent: str, state: str, outcome: str) -> Any:
        account, found = self.owner("intents", intent)
        if found["status"] != state:
            raise self._unexpected(found, "finish")
        if outcome == "succeeded":
            self._charge(account, found)
            return found
        code = "payment_intent_authentication_failure" if state == "requires_action" else "payment_intent_payment_attempt_failed"
        return json.loads(self._decline(account, found, code, "").reply.body)

    def _open_dispute(self, *, payment_intent: str, reason: str = "fraudulent", amount: int | None = None) -> dict[str, Any]:
        account, intent = self.owner("intents", payment_intent)
        charge = account["charges"][intent["latest_charge"]]
        charge["disputed"] = True
        dispute = self._new("du", "dispute", amount=amount or charge["amount_captured"], currency=charge["currency"], charge=charge["id"])
        dispute |= {"payment_intent": payment_intent, "reason": reason, "status": "needs_response", "metadata": {}}
        account["disputes"][dispute["id"]] = dispute
        self._emit(account, "charge.dispute.created", dispute)
        self._emit(account, "charge.dispute.funds_withdrawn", dispute)
        return dispute

    def _new(self, prefix: str, kind: str, **fields: Any) -> dict[str, Any]:
        self._count += 1
        return {"id": f"{prefix}_{self._run}{self._count:08d}", "object": kind, "created": int(time.time()), **fields}

    def _emit(self, account: dict[str, Any], type: str, about: dict[str, Any]) -> None:
        event = self._new("evt", "event", type=type, api_version=API_VERSION, livemode=False, pending_webhooks=1)
        event |= {"data": {"object": json.loads(json.dumps(about))}, "request": {"id": None, "idempotency_key": None}}
        account["events"][event["id"]] = event
        self.deliveries.announce(event["id"])


def _amount(form: dict[str, Any]) -> int:
    text = str(form.get("amount", ""))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise refusal(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param="amount")
    return int(text)


if __name__ == "__main__":
    from tests.fakes.commands import run_stripe

    run_stripe()
