"""Everybody is told, on the running demo: a mail with a calendar file, the product's own list, a live stream, a signed webhook, a feed,
a calendar from elsewhere that blocks time, and the log that an integrator replays.

    make demo                             # in one terminal
    python3 examples/telling_people.py    # in another

Standard library only. It listens on two ports of its own: as the receiver of webhooks, and as the server of somebody's private calendar.
It works in the demo's first business with a service of its own, so it can be run again and again. Exit code 1 when anything differs from
what was promised.
"""

import argparse
import base64
import email
import email.policy
import hashlib
import hmac
import json
import os
import secrets
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from first_sale import PROJECT, Api, Mismatch, check, until

WITHIN_SECONDS = 90


class Elsewhere:
    """Two servers that are not ours: one receives webhooks, one serves a practitioner's private calendar."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.calendar = b""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/calendar")
                self.send_header("Content-Length", str(len(outer.calendar)))
                self.end_headers()
                self.wfile.write(outer.calendar)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def webhooks(self, secret: str) -> list[dict[str, Any]]:
        """What came with a true signature (Standard Webhooks); raises Mismatch for a false one."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        for headers, body in self.received:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            true = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            if not any(hmac.compare_digest(true, one) for one in headers["webhook-signature"].split()):
                raise Mismatch("A webhook came with a signature that is not ours.")
        return [json.loads(body) for _, body in self.received]


class Studio:
    """The business and one of its customers."""

    def __init__(self, demo: dict[str, Any], folder: Path) -> None:
        account = demo["accounts"][0]
        self.account, self.mail = account, folder / "mail"
        self.owner, self.customer, self.visitor = (Api(demo["base_url"]) for _ in range(3))
        self.owner.headers["Authorization"] = f"Token {account['tokens']['owner']}"
        self.customer.headers["Authorization"] = f"Token {account['customers'][0]['token']}"
        self.address = account["customers"][0]["email"]
        self.mark = secrets.token_hex(3)
        owner = self.owner
        self.practitioner = owner.post("/api/practitioners/", {"display_name": f"Robin {self.mark}"})["id"]
        self.service = owner.post("/api/services/", {"name": f"Talk {self.mark}", "duration_minutes": 60, "price_cents": 5000})["id"]
        owner.post("/api/offerings/", {"practitioner": self.practitioner, "service": self.service})
        for weekday in range(7):
            hours = {"practitioner": self.practitioner, "weekday": weekday, "start": "07:00", "end": "21:00"}
            owner.post("/api/weekly-hours/", hours)
        self.client = owner.get(f"/api/clients/?search={self.address}")["results"][0]["id"]

    def starts(self, days: int) -> list[str]:
        """The free starts of that day."""
        day = (datetime.now(UTC) + timedelta(days=days)).date()
        query = f"service={self.service}&practitioner={self.practitioner}&from={day}&to={day + timedelta(days=1)}&timezone=UTC"
        return [slot["start"] for slot in self.owner.get(f"/api/slots/?{query}")["slots"]]

    def mails(self) -> list[email.message.EmailMessage]:
        """The customer's mails about this service, oldest first."""
        found = []
        for path in sorted(self.mail.glob("*.eml")):
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if self.address in str(message["To"]) and self.mark in str(message["Subject"]):
                found.append(message)
        return found


class Stream:
    """The customer's browser: an EventSource on the live server."""

    def __init__(self, studio: Studio) -> None:
        address = studio.customer.post("/api/customer/notifications/stream/", {}, expect=200)["url"]
        self.seen: list[tuple[float, dict[str, Any]]] = []
        self.is_open = threading.Event()
        threading.Thread(target=self._listen, args=[address], daemon=True).start()
        if not self.is_open.wait(WITHIN_SECONDS):
            raise Mismatch("The live server does not answer.")

    def _listen(self, address: str) -> None:
        with urllib.request.urlopen(address, timeout=WITHIN_SECONDS) as answer:  # noqa: S310  the demo's own server
            for line in answer:
                self.is_open.set()
                if line.startswith(b"data: "):
                    self.seen.append((time.time(), json.loads(line[6:])))


def ics_of(message: email.message.EmailMessage) -> str:
    """The calendar file that came with a mail, '' without one."""
    files = [part for part in message.iter_attachments() if part.get_content_type() == "text/calendar"]
    return files[0].get_content() if files else ""


def unfolded(calendar: str) -> str:
    return calendar.replace("\r\n ", "").replace("\r\n", "\n")


def utc(start: str) -> str:
    """An instant as calendars write it."""
    return datetime.fromisoformat(start).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def tell_everybody(studio: Studio, elsewhere: Elsewhere) -> None:
    owner = studio.owner
    print("  A webhook, a feed and a stream are set up")
    endpoint = owner.post(
        "/api/webhook-endpoints/", {"url": f"{elsewhere.url}/hook", "event_types": ["booking.scheduled", "booking.rescheduled"]}
    )
    feed = owner.post("/api/calendar-feeds/", {"practitioner": studio.practitioner})
    stream = Stream(studio)
    place = end_of_log(owner)

    first, second = studio.starts(3)[:2]
    print("  Staff book a session for a customer")
    order = owner.post(
        "/api/checkout/",
        {"client": studio.client, "service": studio.service, "practitioner": studio.practitioner, "start_time": first, "method": "cash"},
    )
    booking = order["bookings"][0]["id"]
    live = until("the customer's browser hears of it", lambda: [one for one in stream.seen if studio.mark in one[1]["title"]])
    listed = studio.customer.get("/api/customer/notifications/?unread=true")["results"]
    check("the list says the same", [one["id"] for one in listed if studio.mark in one["title"]], [live[0][1]["id"]])
    [mail] = until("a mail comes", studio.mails)
    check("it has a text and a page", [bool(mail.get_body((kind,))) for kind in ("plain", "html")], [True, True])
    check("and the session as a calendar file", f"DTSTART:{utc(first)}" in unfolded(ics_of(mail)), True)
    until(
        "the webhook comes, with a true signature",
        lambda: [one for one in elsewhere.webhooks(endpoint["secret"]) if one["subject"]["id"] == booking],
    )

    print("  They move it")
    owner.post(f"/api/bookings/{booking}/reschedule/", {"start_time": second}, expect=200)
    until("one more mail", lambda: len(studio.mails()) == 2)
    moved = studio.mails()[1]
    uid = next(line for line in unfolded(ics_of(mail)).splitlines() if line.startswith("UID:"))
    check(
        "its file moves the same entry", (uid in unfolded(ics_of(moved)), f"DTSTART:{utc(second)}" in unfolded(ics_of(moved))), (True, True)
    )
    until(
        "one webhook says both times",
        lambda: [one for one in elsewhere.webhooks(endpoint["secret"]) if one["type"] == "booking.rescheduled"],
    )
    changes = elsewhere.webhooks(endpoint["secret"])[-1]["changes"]["start_time"]
    check("the old and the new", [utc(one) for one in changes], [utc(first), utc(second)])

    print("  A calendar program reads the practitioner's feed")
    with urllib.request.urlopen(feed["url"]) as answer:  # noqa: S310  the demo's own server
        tag, calendar = answer.headers["ETag"], unfolded(answer.read().decode())
    check("it has the session where it is now", (uid in calendar, f"DTSTART:{utc(second)}" in calendar), (True, True))
    again = urllib.request.Request(feed["url"], headers={"If-None-Match": tag})  # noqa: S310
    try:
        with urllib.request.urlopen(again) as answer:  # noqa: S310
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    check("and is not sent twice", status, 304)

    print("  The session is cancelled")
    owner.post(f"/api/bookings/{booking}/cancel/", {"reason": "Illness"}, expect=200)
    until("one more mail", lambda: len(studio.mails()) == 3)
    check("its file takes the entry out", "STATUS:CANCELLED" in unfolded(ics_of(studio.mails()[2])), True)

    print("  An integrator replays the log")
    types = [
        event["type"]
        for event in follow(owner, place)
        if event["subject"] == {**event["subject"], "type": "bookings.booking", "id": booking}
    ]
    check("nothing is missing", types, ["booking.scheduled", "booking.rescheduled", "booking.cancelled"])
    owner.call("DELETE", f"/api/webhook-endpoints/{endpoint['id']}/", expect=204)


def follow(owner: Api, after: int) -> list[dict[str, Any]]:
    """Every event since then."""
    found: list[dict[str, Any]] = []
    while page := owner.get(f"/api/events/?after={after}&page_size=100")["results"]:
        found, after = found + page, page[-1]["sequence"]
    return found


def end_of_log(owner: Api) -> int:
    events = follow(owner, 0)
    return events[-1]["sequence"] if events else 0


def a_private_calendar(studio: Studio, elsewhere: Elsewhere) -> None:
    print("  The practitioner's private calendar blocks an hour, every week")
    taken = studio.starts(10)[0]
    starts = datetime.fromisoformat(taken).astimezone(UTC) - timedelta(weeks=1)
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//elsewhere//EN", "BEGIN:VEVENT", f"UID:{studio.mark}@elsewhere.example",
        f"DTSTAMP:{starts:%Y%m%dT%H%M%SZ}", f"DTSTART:{starts:%Y%m%dT%H%M%SZ}", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3",
        "SUMMARY:Dentist", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    elsewhere.calendar = "\r\n".join(lines).encode()
    calendar = studio.owner.post("/api/external-calendars/", {"practitioner": studio.practitioner, "url": f"{elsewhere.url}/private.ics"})
    until("it is read, and the hour is not offered any more", lambda: taken not in studio.starts(10))
    wish = {"client": studio.client, "service": studio.service, "practitioner": studio.practitioner, "start_time": taken, "method": "cash"}
    check("nor sold", studio.owner.post("/api/checkout/", wish, expect=409)["error"], "slot_taken")
    studio.owner.call("DELETE", f"/api/external-calendars/{calendar['id']}/", expect=204)
    check("without the calendar it is", taken in studio.starts(10), True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("DEMO_DIR") or PROJECT / ".demo") / "credentials.json"
    parser.add_argument("credentials", nargs="?", type=Path, default=default)
    path = parser.parse_args().credentials
    if not path.exists():
        print(f"{path} does not exist: start the demo first (make demo).", file=sys.stderr)
        return 1
    demo = json.loads(path.read_text(encoding="utf-8"))
    print(f"Everybody is told, at {demo['accounts'][0]['name']}, {demo['base_url']}")
    studio, elsewhere = Studio(demo, path.parent), Elsewhere()
    try:
        tell_everybody(studio, elsewhere)
        a_private_calendar(studio, elsewhere)
    except (Mismatch, OSError) as error:
        print(f"    ✗ {error}", file=sys.stderr)
        return 1
    print("Nobody was left out.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
