"""Money over HTTP, on the running demo: a guest's card, PayPal, credit and a gift code, a coupon with tax, refunds, the books.

    make demo                            # in one terminal
    python3 examples/paying_online.py    # in another

Standard library only. Stripe and PayPal are played by servers that the demo started (their addresses stand in credentials.json); what
this script does there is what the client's browser does. Nothing is ever told to the business that its provider did not tell it: every
payment is settled by a webhook, delivered and signed by that server. It works in the demo's first business with a service of its own,
so it can be run again and again. Exit code 1 when anything differs from what was promised.
"""

import argparse
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from first_sale import PROJECT, Api, Mismatch, check

SETTLED_SECONDS = 60


class Shop:
    """The business, its front desk, and the address that its website's visitors use."""

    def __init__(self, demo: dict[str, Any], account: dict[str, Any]) -> None:
        self.account, self.providers = account, demo["providers"]
        self.owner = Api(demo["base_url"])
        self.owner.headers["Authorization"] = f"Token {account['tokens']['owner']}"
        self.visitor = Api(demo["base_url"])
        self.customer = Api(demo["base_url"])
        self.customer.headers["Authorization"] = f"Token {account['customers'][0]['token']}"
        self.public = f"/api/public/{account['slug']}"
        self.mark = secrets.token_hex(3)
        print("  a practitioner with long days, a taxed session of an hour, a package of five of them")
        owner = self.owner
        self.practitioner = owner.post("/api/practitioners/", {"display_name": f"Alex {self.mark}"})["id"]
        session = {"duration_minutes": 60, "price_cents": 5950, "tax_rate": "19.00"}
        self.service = owner.post("/api/services/", {"name": f"Consultation {self.mark}", **session})["id"]
        owner.post("/api/offerings/", {"practitioner": self.practitioner, "service": self.service})
        for weekday in range(7):
            hours = {"practitioner": self.practitioner, "weekday": weekday, "start": "07:00", "end": "21:00"}
            owner.post("/api/weekly-hours/", hours)
        body = {
            "package_name": f"Five consultations {self.mark}",
            "price_cents": 25000,
            "items": [{"service": self.service, "quantity": 5}],
        }
        self.package = owner.post("/api/packages/", body)["id"]

    def start(self, days: int) -> str:
        """A free start of the practitioner so many days from now, as its website shows it."""
        day = (datetime.now().astimezone() + timedelta(days=days)).date()
        query = {"service": self.service, "practitioner": self.practitioner, "from": day, "to": day + timedelta(days=1)}
        return self.visitor.get(f"{self.public}/slots/?{urllib.parse.urlencode(query)}")["slots"][0]["start"]

    def client(self, name: str) -> int:
        body = {"full_name": f"{name} {self.mark}", "email": f"{name.lower()}-{self.mark}@clients.example"}
        return self.owner.post("/api/clients/", body)["id"]

    def settled(self, what: str, read: Callable[[], Any], expected: Any) -> None:
        """Wait for the webhook and the worker."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while (found := read()) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        check(what, found, expected)

    # -- the client's browser

    def pay_by_card(self, payment: dict[str, Any], card: str) -> int:
        """What Stripe.js does with the client secret; the status of Stripe's answer."""
        intent, _, _ = payment["client_secret"].partition("_secret_")
        form = {"client_secret": payment["client_secret"], "payment_method": card}
        request = urllib.request.Request(  # noqa: S310  the demo's own server
            f"{self.providers['stripe']}/v1/payment_intents/{intent}/confirm",
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Bearer {payment['publishable_key']}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    def approve(self, payment: dict[str, Any]) -> None:
        """Say yes on PayPal's page."""
        with urllib.request.urlopen(payment["approve_url"], timeout=30) as page:  # noqa: S310  the demo's own server
            page.read()


def a_guest_by_card(shop: Shop) -> int:
    print("A visitor of the website books an hour and pays by card")
    card = shop.visitor.get(f"{shop.public}/")
    check("cards and PayPal are on offer", {"stripe", "paypal"} <= set(card["payment_methods"]), True)
    wish = {"service": shop.service, "practitioner": shop.practitioner, "start_time": shop.start(3), "method": "stripe"}
    guest = {"full_name": f"Gail Guest {shop.mark}", "email": f"gail-{shop.mark}@guests.example"}
    sale = shop.visitor.post(f"{shop.public}/checkout/", {**wish, **guest}, Idempotency_Key=secrets.token_hex(16))
    order, payment = sale["order"], sale["payment"]
    check("59.50 are due, 9.50 of them tax", (order["total_amount_cents"], order["tax_cents"]), (5950, 950))
    check("the start is held, not yet booked", [s["status"] for s in order["sessions"]], ["held"])
    taken = shop.visitor.post(f"{shop.public}/checkout/", {**wish, **guest, "email": f"other-{shop.mark}@guests.example"}, expect=409)
    check("nobody else gets it", taken["error"], "slot_taken")
    check("a card that is declined pays nothing", shop.pay_by_card(payment, "pm_card_chargeDeclined"), 402)
    check("another card pays", shop.pay_by_card(payment, "pm_card_visa"), 200)
    address = f"{shop.public}/payments/{payment['token']}/"
    shop.settled("Stripe's webhook settles it", lambda: shop.visitor.get(address)["payment"]["status"], "succeeded")
    shown = shop.visitor.get(address)["order"]
    check("the hour is booked and paid", ([s["status"] for s in shown["sessions"]], shown["payment_status"]), (["confirmed"], "paid"))
    [found] = shop.owner.get(f"/api/orders/?search={shown['number']}")["results"]
    return found["id"]


def forged_news(shop: Shop) -> None:
    print("Somebody pretends to be Stripe")
    body = {"id": "evt_forged", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_forged", "amount_received": 1}}}
    answer = shop.visitor.post(
        f"/api/webhooks/stripe/{shop.account['slug']}/", body, expect=400, Stripe_Signature=f"t={int(time.time())},v1={'0' * 64}"
    )
    check("it is refused", answer["error"], "signature_invalid")


def papers(shop: Shop, order: int) -> None:
    print("The papers and the books")
    shop.settled("an invoice was issued by itself", lambda: len(shop.owner.get(f"/api/invoices/?order={order}")["results"]), 1)
    [invoice] = shop.owner.get(f"/api/invoices/?order={order}")["results"]
    check("its tax is 9.50 of 59.50", (invoice["tax_cents"], invoice["total_cents"]), (950, 5950))
    statement = shop.owner.get(f"/api/orders/{order}/statement/")
    check("the order's account is settled", statement["totals"]["balance_cents"], 0)


def a_package_by_paypal(shop: Shop) -> int:
    print("A client of the house buys five sessions with a coupon, by PayPal")
    code = f"WELCOME{shop.mark.upper()}"
    shop.owner.post("/api/coupons/", {"code": code, "kind": "percent", "value": 10})
    sale = shop.customer.post(f"{shop.public}/checkout/", {"package": shop.package, "method": "paypal", "coupon": code})
    payment = sale["payment"]
    check("250.00 less 10 per cent", (sale["order"]["discount_cents"], payment["amount_cents"]), (2500, 22500))
    shop.approve(payment)
    address = f"{shop.public}/payments/{payment['token']}/"
    shop.settled("PayPal's webhook settles it", lambda: shop.customer.get(address)["payment"]["status"], "succeeded")
    [order] = shop.owner.get(f"/api/orders/?search={sale['order']['number']}")["results"]
    check("five sessions share it to the cent", sum(s["price_cents"] for s in order["bookings"]), 22500)
    return order["id"]


def half_of_it_back(shop: Shop, order: int) -> None:
    print("Two of the five are given back")
    sessions = [s["id"] for s in shop.owner.get(f"/api/orders/{order}/")["bookings"]][:2]
    wish = {"sessions": sessions}
    quote = shop.owner.post(f"/api/orders/{order}/quote-refund/", wish, expect=200)
    check("the quote says 90.00, by PayPal", (quote["refund_cents"], [t["method"] for t in quote["per_tender"]]), (9000, ["paypal"]))
    shop.owner.post(f"/api/orders/{order}/refund/", {**wish, "reason": "Moving away", "quote": quote["token"]}, expect=200)

    def state() -> tuple[str, int, int]:
        found = shop.owner.get(f"/api/orders/{order}/")
        return found["payment_status"], found["refunded_cents"], found["sessions_remaining"]

    shop.settled("the money went back, three sessions are left", state, ("paid", 9000, 3))
    [payment] = [p for p in shop.owner.get(f"/api/payments/?order={order}")["results"] if p["captured_cents"]]
    refused = shop.owner.post(f"/api/payments/{payment['id']}/refund/", {"amount_cents": 13501, "reason": "Too much"}, expect=409)
    check("no cent more than is left", refused["error"], "refund_exceeds_captured")


def credit(shop: Shop) -> None:
    print("Credit and a gift code")
    mine = next(c for c in shop.owner.get(f"/api/clients/?search={shop.account['customers'][0]['email']}")["results"])["id"]

    def balance() -> int:
        return sum(one["balance_cents"] for one in shop.owner.get(f"/api/wallets/{mine}/")["balances"])

    before = balance()
    shop.owner.post(f"/api/wallets/{mine}/credit/", {"amount_cents": 1000, "reason": "Thank you for your patience"})
    gift = shop.owner.post("/api/checkout/", {"client": shop.client("Gordon"), "gift_cents": 5000, "method": "cash"})
    early = shop.customer.post("/api/customer/wallet/redeem/", {"account": shop.account["slug"], "code": gift["gift_code"]}, expect=409)
    check("an unpaid gift code is worth nothing", early["error"], "gift_code_refused")
    shop.owner.post(f"/api/payments/{gift['payment']['id']}/mark-received/", {}, expect=200)
    code = gift["gift_code"]
    shop.settled(
        "once it is paid it is active",
        lambda: {g["last4"]: g["status"] for g in shop.owner.get("/api/gift-codes/")["results"]}.get(code.replace("-", "")[-4:]),
        "active",
    )
    shop.customer.post("/api/customer/wallet/redeem/", {"account": shop.account["slug"], "code": code}, expect=200)
    check("the wallet holds both", balance() - before, 6000)
    wish = {"client": mine, "service": shop.service, "practitioner": shop.practitioner, "start_time": shop.start(4)}
    sale = shop.owner.post("/api/checkout/", {**wish, "method": "wallet"})
    check("an hour is paid with it", (sale["payment"]["status"], sale["bookings"][0]["status"]), ("succeeded", "confirmed"))
    check("0.50 are left of it", balance() - before, 50)


def the_books(shop: Shop) -> None:
    print("The books")
    for balances in shop.owner.get("/api/ledger/balances/")["currencies"]:
        check(f"every cent has two sides ({balances['currency']})", sum(book["amount_cents"] for book in balances["books"]), 0)


def main() -> int:
    """Exit code 0 when everything is as promised."""
    default = Path(os.environ.get("DEMO_DIR") or PROJECT / ".demo") / "credentials.json"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("credentials", nargs="?", type=Path, default=default, help="credentials.json of a running demo")
    chosen = parser.parse_args()
    if not chosen.credentials.exists():
        print(f"{chosen.credentials} does not exist: start the demo first (make demo).", file=sys.stderr)
        return 1
    demo = json.loads(chosen.credentials.read_text(encoding="utf-8"))
    account = demo["accounts"][0]
    try:
        print(f"Money at {account['name']}, {demo['base_url']}")
        shop = Shop(demo, account)
        order = a_guest_by_card(shop)
        forged_news(shop)
        papers(shop, order)
        half_of_it_back(shop, a_package_by_paypal(shop))
        credit(shop)
        the_books(shop)
    except (Mismatch, OSError) as problem:
        print(f"    ✗ {problem}", file=sys.stderr)
        return 1
    print("Every cent is where it belongs.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
