"""The first sale, from sign-up to payment, over HTTP, twice; then the proof that the two businesses do not see each other.

    make demo                          # in one terminal
    python3 examples/first_sale.py     # in another

Standard library only. It reads the address and the mail folder from the demo's credentials.json: the first argument, or
$DEMO_DIR/credentials.json, or .demo/credentials.json. Exit code 1 when anything differs from what was promised.
"""

import argparse
import json
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
CODE = re.compile(r"^([A-Z0-9]{3,5}-?[A-Z0-9]{3,5})\r?$", re.MULTILINE)  # a line of its own
MAIL_SECONDS = 60


class Mismatch(Exception):
    """The server did something else than promised."""


def check(what: str, found: Any, expected: Any) -> None:
    """Print a tick, or stop."""
    if found != expected:
        raise Mismatch(f"{what}: expected {expected!r}, found {found!r}")
    print(f"    ✓ {what}")


def until(what: str, look: Callable[[], Any], *, seconds: int = 180) -> Any:
    """Wait for what the demo's worker does in the background; returns what ``look`` finds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            print(f"    ✓ {what}")
            return found
        time.sleep(0.2)
    raise Mismatch(f"{what}: nothing within {seconds} s")


class Api:
    """One caller. Every answer outside ``expect`` stops the example."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.headers: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **headers: str) -> Any:
        """Send JSON, return JSON (None for an empty answer)."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, method=method)  # noqa: S310  the address the reader gave
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Type": "application/json", **self.headers, **named}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        if status != expect:
            raise Mismatch(f"{method} {path}: expected {expect}, found {status} {text.decode(errors='replace')[:500]}")
        return json.loads(text) if text else None

    def get(self, path: str, *, expect: int = 200, **headers: str) -> Any:
        return self.call("GET", path, expect=expect, **headers)

    def post(self, path: str, body: Any, *, expect: int = 201, **headers: str) -> Any:
        return self.call("POST", path, body, expect=expect, **headers)

    def ids(self, path: str) -> list[int]:
        """The ids of a list."""
        return sorted(row["id"] for row in self.get(path)["results"])


def code_for(email: str, mail_folder: Path) -> str:
    """The verification code in the newest message to this address."""
    deadline = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < deadline:
        for path in sorted(mail_folder.glob("*.eml"), reverse=True):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = message.get_body(("plain",))
            if email in str(message["To"]) and body and (found := CODE.search(body.get_content())):
                return found[1]
        time.sleep(0.1)
    raise Mismatch(f"No message with a code for {email} came to {mail_folder} within {MAIL_SECONDS} s.")


def sign_up(base_url: str, mail_folder: Path) -> Api:
    """A new person with a confirmed address and a token."""
    email, password = f"owner-{secrets.token_hex(4)}@first-sale.example", secrets.token_urlsafe(16)
    person = Api(base_url)
    print(f"  sign up as {email}")
    waiting = person.post("/_allauth/app/v1/auth/signup", {"email": email, "password": password}, expect=401)
    refused = person.post("/api/auth/tokens/", {"email": email, "password": password}, expect=403)
    check("without a confirmed address there is no token", refused["error"], "email_unverified")
    code = code_for(email, mail_folder)
    print(f"  confirm with the code {code} from the mail folder")
    session = waiting["meta"]["session_token"]
    person.post("/_allauth/app/v1/auth/email/verify", {"key": code}, expect=200, X_Session_Token=session)
    token = person.post("/api/auth/tokens/", {"email": email, "password": password, "label": "first sale"})["token"]
    person.headers["Authorization"] = f"Token {token}"
    me = person.get("/api/me/")
    check("the token is ours, and we work nowhere yet", (me["email"], me["memberships"]), (email, []))
    return person


def first_sale(base_url: str, mail_folder: Path, *, zone: str, currency: str, country: str) -> tuple[Api, dict[str, Any]]:
    """Everything from nothing to a paid package with one session in the calendar. Returns the owner and what was made."""
    owner = sign_up(base_url, mail_folder)
    made: dict[str, Any] = {}

    print("  open the business: account, service, practitioner, offering, weekly hours, package, client")
    account = owner.post("/api/accounts/", {"name": "First Sale Studio", "timezone": zone, "currency": currency, "country": country})
    made["account"] = account["slug"]
    service = owner.post("/api/services/", {"name": "Session", "duration_minutes": 60, "price_cents": 4000, "buffer_after_minutes": 15})
    practitioner = owner.post("/api/practitioners/", {"display_name": "Robin Example"})
    check("the practitioner got the account's time zone", practitioner["timezone"], zone)
    owner.post("/api/offerings/", {"practitioner": practitioner["id"], "service": service["id"]})
    for weekday in range(5):
        hours = {"practitioner": practitioner["id"], "weekday": weekday, "start": "09:00", "end": "17:00"}
        owner.post("/api/weekly-hours/", hours)
    items = [{"service": service["id"], "quantity": 3}]
    package = owner.post("/api/packages/", {"package_name": "Three sessions", "price_cents": 10000, "items": items})
    client = owner.post("/api/clients/", {"full_name": "Charlie Client", "email": "charlie@first-sale.example"})

    print("  sell the package for 100.00, twice with the same Idempotency-Key")
    sale = {"client": client["id"], "package": package["id"], "method": "cash"}
    key = secrets.token_hex(16)
    sold = owner.post("/api/checkout/", sale, Idempotency_Key=key)
    again = owner.post("/api/checkout/", sale, Idempotency_Key=key)
    order, sessions, payment = sold["order"], sold["bookings"], sold["payment"]
    check("the repetition is the same order", again["order"]["id"], order["id"])
    check("three sessions share 10000 cents", [s["price_cents"] for s in sessions], [3334, 3333, 3333])
    check(
        "they wait for their time, unpaid",
        {(s["status"], s["payment_status"], s["start_time"]) for s in sessions},
        {("draft", "unpaid", None)},
    )
    check(
        "the order asks for all of it",
        (order["total_amount_cents"], order["balance_due_cents"], order["currency"]),
        (10000, 10000, currency),
    )

    print("  look for a free hour and book the first session into it")
    slot = next_slot(owner, service["id"], practitioner["id"])
    path = f"/api/bookings/{sessions[0]['id']}/schedule/"
    booked = owner.post(path, {"practitioner": practitioner["id"], "start_time": slot["start"]}, expect=200)
    check("the session is confirmed at that time", (booked["status"], instant(booked["start_time"])), ("confirmed", instant(slot["start"])))
    path = f"/api/bookings/{sessions[1]['id']}/schedule/"
    taken = owner.post(path, {"practitioner": practitioner["id"], "start_time": slot["start"]}, expect=409)
    check("nobody else gets it", (taken["error"], bool(taken["alternatives"])), ("slot_taken", True))

    print("  take the money and read everything back")
    owner.post(f"/api/payments/{payment['id']}/mark-received/", {}, expect=200)
    order = owner.get(f"/api/orders/{order['id']}/")
    check("the order is paid", (order["payment_status"], order["paid_cents"], order["balance_due_cents"]), ("paid", 10000, 0))
    check("its sessions are paid", [s["payment_status"] for s in order["bookings"]], ["paid", "paid", "paid"])
    check("their cents add up", sum(s["price_cents"] for s in order["bookings"]), 10000)
    check("one has its time", [s["status"] for s in order["bookings"]], ["confirmed", "draft", "draft"])
    return owner, made | {
        "services": service["id"],
        "practitioners": practitioner["id"],
        "packages": package["id"],
        "clients": client["id"],
        "orders": order["id"],
        "payments": payment["id"],
        "bookings": sessions[1]["id"],
        "all bookings": sorted(s["id"] for s in sessions),
    }


def next_slot(owner: Api, service: int, practitioner: int) -> dict[str, Any]:
    """The first bookable start of the next two weeks."""
    tomorrow = (datetime.now().astimezone() + timedelta(days=1)).date()
    query = {"service": service, "practitioner": practitioner, "from": tomorrow, "to": tomorrow + timedelta(days=14)}
    slots = owner.get(f"/api/slots/?{urllib.parse.urlencode(query)}")["slots"]
    check("two weeks of nine to five have free hours", len(slots) > 20, True)
    return slots[0]


def instant(text: str) -> datetime:
    """RFC 3339 as a moment, whatever its offset."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


RESOURCES = ("services", "practitioners", "packages", "clients", "orders", "payments")


def prove_apart(mine: Api, own: dict[str, Any], foreign: dict[str, Any]) -> None:
    """Nothing of ``foreign`` can be seen, used or changed with the token of ``mine``."""
    for name in RESOURCES:
        check(f"/api/{name}/ lists our own row only", mine.ids(f"/api/{name}/"), [own[name]])
        mine.get(f"/api/{name}/{foreign[name]}/", expect=404)
    check("/api/bookings/ lists our own sessions only", mine.ids("/api/bookings/"), own["all bookings"])
    mine.get(f"/api/bookings/{foreign['bookings']}/", expect=404)
    here, nowhere = (mine.get(f"/api/orders/{pk}/", expect=404) for pk in (foreign["orders"], 2**62))
    check("a foreign order and a missing one look the same", here["message"], nowhere["message"])
    print("    ✓ every foreign address answers 404")

    start = "2030-01-07T10:00:00+00:00"
    for path, body, field in (
        ("/api/checkout/", {"client": foreign["clients"], "package": own["packages"], "method": "cash"}, "client"),
        ("/api/checkout/", {"client": own["clients"], "package": foreign["packages"], "method": "cash"}, "package"),
        ("/api/offerings/", {"practitioner": foreign["practitioners"], "service": own["services"]}, "practitioner"),
        (f"/api/bookings/{own['bookings']}/schedule/", {"practitioner": foreign["practitioners"], "start_time": start}, "practitioner"),
    ):
        refused = mine.post(path, body, expect=400)
        check(f"a foreign {field} in the body of {path} does not exist", list(refused["fields"]), [field])
    mine.post(f"/api/bookings/{foreign['bookings']}/schedule/", {"practitioner": own["practitioners"], "start_time": start}, expect=404)
    mine.post(f"/api/payments/{foreign['payments']}/mark-received/", {}, expect=404)
    mine.call("PATCH", f"/api/clients/{foreign['clients']}/", {"full_name": "Mallory"}, expect=404)
    mine.call("DELETE", f"/api/packages/{foreign['packages']}/", expect=404)
    mine.get("/api/orders/", expect=403, X_Account=foreign["account"])
    print("    ✓ neither actions nor the X-Account header reach over")


def main() -> int:
    """Exit code 0 when everything is as promised."""
    default = Path(os.environ.get("DEMO_DIR") or PROJECT / ".demo") / "credentials.json"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("credentials", nargs="?", type=Path, default=default, help="credentials.json of a running demo")
    parser.add_argument("--base-url", help="another address than the file's")
    parser.add_argument("--mail", type=Path, help="folder of .eml files (default: mail beside the credentials)")
    chosen = parser.parse_args()
    if not chosen.base_url and not chosen.credentials.exists():
        print(f"{chosen.credentials} does not exist: start the demo first (make demo).", file=sys.stderr)
        return 1
    base_url = chosen.base_url or json.loads(chosen.credentials.read_text(encoding="utf-8"))["base_url"]
    mail_folder = chosen.mail or chosen.credentials.parent / "mail"
    try:
        print(f"The first business, in Berlin, at {base_url}")
        berlin, in_berlin = first_sale(base_url, mail_folder, zone="Europe/Berlin", currency="EUR", country="DE")
        print("The second business, in New York, with the same names")
        york, in_york = first_sale(base_url, mail_folder, zone="America/New_York", currency="USD", country="US")
        print("Berlin sees nothing of New York")
        prove_apart(berlin, in_berlin, in_york)
        print("New York sees nothing of Berlin")
        prove_apart(york, in_york, in_berlin)
        for owner, made in ((berlin, in_berlin), (york, in_york)):
            client, order = owner.get(f"/api/clients/{made['clients']}/"), owner.get(f"/api/orders/{made['orders']}/")
            unchanged = (client["full_name"], order["paid_cents"], [s["status"] for s in order["bookings"]])
            check(f"nothing in {made['account']} was changed", unchanged, ("Charlie Client", 10000, ["confirmed", "draft", "draft"]))
    except (Mismatch, OSError) as problem:
        print(f"    ✗ {problem}", file=sys.stderr)
        return 1
    print("Everything is as promised.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
