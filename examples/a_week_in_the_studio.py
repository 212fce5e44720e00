"""A week in a studio over HTTP, on the running demo: a class, its waitlist, a series, moves, cancellations, a no-show, a review.

    make demo                                   # in one terminal
    python3 examples/a_week_in_the_studio.py    # in another

Standard library only. It works in the demo's first business with a practitioner and services of its own, so it can be run again
and again. Exit code 1 when anything differs from what was promised.
"""

import argparse
import json
import os
import secrets
import sys
import urllib.parse
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from first_sale import PROJECT, Api, Mismatch, check, instant, until

POLICY = {
    "tiers": [
        {"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 0, "fee": {"kind": "percent", "value": 50}, "session": "consumed"},
    ],
    "no_show": {"fee": {"kind": "none"}, "session": "consumed"},
    "grace": {"minutes": 0, "if_hours_away": 0},
}


class Studio:
    """The business of the week: what it offers, and the things its front desk does over and over."""

    def __init__(self, owner: Api, account: dict[str, Any]) -> None:
        self.owner, self.zone = owner, ZoneInfo(account["timezone"])
        self.mark = secrets.token_hex(3)
        # At night clients are not asked (from 21:00 to 08:00 by default); this script has no night.
        owner.call("PATCH", "/api/account/settings/", {"waitlist_quiet_from": "00:00", "waitlist_quiet_to": "00:00"})
        print("  a new practitioner with long days, a class of four, a session of an hour, a package of eight")
        self.practitioner = owner.post("/api/practitioners/", {"display_name": f"Robin {self.mark}"})["id"]
        session = {"duration_minutes": 60, "price_cents": 5000, "cancellation_policy": POLICY}
        self.session = owner.post("/api/services/", {"name": f"Session {self.mark}", **session})["id"]
        yoga = {"duration_minutes": 60, "price_cents": 1500, "capacity": 4, "min_attendees": 2}
        self.yoga = owner.post("/api/services/", {"name": f"Yoga {self.mark}", **yoga})["id"]
        for service in (self.session, self.yoga):
            owner.post("/api/offerings/", {"practitioner": self.practitioner, "service": service})
        for weekday in range(7):
            hours = {"practitioner": self.practitioner, "weekday": weekday, "start": "07:00", "end": "21:00"}
            owner.post("/api/weekly-hours/", hours)
        items = [{"service": self.session, "quantity": 8}]
        body = {"package_name": f"Eight sessions {self.mark}", "price_cents": 36000, "items": items}
        self.package = owner.post("/api/packages/", body)["id"]

    def client(self, name: str) -> int:
        body = {"full_name": f"{name} {self.mark}", "email": f"{name.lower()}-{self.mark}@studio.example"}
        return self.owner.post("/api/clients/", body)["id"]

    def sell(self, client: int, *, expect: int = 201, **what: Any) -> Any:
        return self.owner.post("/api/checkout/", {"client": client, "method": "cash", **what}, expect=expect)

    def act(self, booking: int, action: str, body: dict[str, Any] | None = None, *, expect: int = 200, **headers: str) -> Any:
        return self.owner.post(f"/api/bookings/{booking}/{action}/", body or {}, expect=expect, **headers)

    def schedule(self, booking: int, start: datetime, **more: Any) -> Any:
        return self.act(booking, "schedule", {"practitioner": self.practitioner, "start_time": start.isoformat(), **more})

    def day(self, days: int, hour: int) -> datetime:
        """An hour of the clock on a day from today, in the studio's zone."""
        then = datetime.now(self.zone) + timedelta(days=days)
        return then.replace(hour=hour, minute=0, second=0, microsecond=0)

    def package_of(self, client: int) -> list[dict[str, Any]]:
        """A paid package; its sessions."""
        sale = self.sell(client, package=self.package)
        self.owner.post(f"/api/payments/{sale['payment']['id']}/mark-received/", {}, expect=200)
        return sale["bookings"]


def a_class_and_its_waitlist(studio: Studio) -> None:
    owner, start = studio.owner, studio.day(8, 12)
    people = [studio.client(name) for name in ("Ana", "Ben", "Cleo", "Dan", "Eve")]
    at = {"service": studio.yoga, "practitioner": studio.practitioner, "start_time": start.isoformat()}
    print("  Monday: four people take the four seats of a class")
    seats = [studio.sell(client, **at)["bookings"][0] for client in people[:4]]
    check("each has a seat of their own", [seat["seat"] for seat in seats], [1, 2, 3, 4])
    full = studio.sell(people[4], expect=409, **at)
    check("the fifth is told so", full["error"], "slot_taken")
    why = owner.get(
        "/api/slots/?" + urllib.parse.urlencode({"service": studio.yoga, "practitioner": studio.practitioner, "explain": start.isoformat()})
    )
    check("and can ask why", (why["bookable"], why["reasons"][0]["code"], bool(why["nearest"])), (False, "slot_taken", True))
    day = urllib.parse.urlencode({"service": studio.yoga, "from": start.date(), "to": start.date() + timedelta(days=1)})
    (held,) = owner.get(f"/api/occurrences/?{day}")["occurrences"]
    check("the class is full", (held["taken"], held["capacity"], held["seats_left"]), (4, 4, 0))

    print("  Tuesday: Eve waits, Ben cancels, the seat is offered to Eve")
    entry = owner.post("/api/waitlist/", {"client": people[4], **at})
    check("she is first in line", entry["position"], 1)
    studio.act(seats[1]["id"], "cancel", {"reason": "A cold."})
    offer = until("an offer with a hold came by itself", lambda: open_offer(owner, entry["id"]))
    (held,) = owner.get(f"/api/occurrences/?{day}")["occurrences"]
    check("the seat is not shown as free meanwhile", held["seats_left"], 0)
    owner.post(f"/api/waitlist-offers/{offer['id']}/accept/", {}, expect=200)
    check("she is in", owner.get(f"/api/waitlist/{entry['id']}/")["status"], "booked")
    (held,) = owner.get(f"/api/occurrences/?{day}")["occurrences"]
    check("the seat is hers", (held["taken"], people[4] in [b["client"] for b in held["bookings"]]), (4, True))


def open_offer(owner: Api, entry: int) -> Any:
    offers = [o for o in owner.get(f"/api/waitlist/{entry}/")["offers"] if o["status"] == "open"]
    return offers[0] if offers else None


def a_series(studio: Studio) -> list[dict[str, Any]]:
    owner = studio.owner
    print("  Wednesday: Finn books four weeks at once")
    finn = studio.client("Finn")
    sessions = studio.package_of(finn)
    first = studio.day(9, 9)
    rule = {
        "client": finn,
        "service": studio.session,
        "practitioner": studio.practitioner,
        "frequency": "weekly",
        "weekdays": [first.weekday()],
        "start_time": first.isoformat(),
        "count": 4,
    }
    quote = owner.post("/api/series/quote/", rule, expect=200)
    check("every week fits", [one["status"] for one in quote["occurrences"]], ["ok"] * 4)
    series = owner.post("/api/series/", {**rule, "quote": quote["token"]})
    starts = [instant(one["start_time"]).astimezone(studio.zone) for one in series["occurrences"]]
    check("at nine on the wall, whatever the clock change", {start.hour for start in starts}, {9})
    third = starts[2].replace(hour=11)
    later = {"scope": "following", "from_booking": series["occurrences"][2]["id"], "action": "move", "start_time": third.isoformat()}
    quote = owner.post(f"/api/series/{series['id']}/change/quote/", later, expect=200)
    owner.post(f"/api/series/{series['id']}/change/", {**later, "quote": quote["token"]}, expect=200)
    rows = {b["id"]: b for b in owner.get(f"/api/bookings/?client={finn}")["results"]}
    hours = [instant(rows[one["id"]]["start_time"]).astimezone(studio.zone).hour for one in series["occurrences"]]
    check("from the third on two hours later", hours, [9, 9, 11, 11])
    return [s for s in sessions if rows[s["id"]]["status"] == "draft"]


def moves_and_cancellations(studio: Studio, drafts: list[dict[str, Any]]) -> None:
    print("  Thursday: a session is moved, and then cancelled in good time")
    booked = studio.schedule(drafts[0]["id"], studio.day(10, 10))
    check("free until a day before", instant(booked["free_until"]), instant(booked["start_time"]) - timedelta(hours=24))
    there = {"start_time": studio.day(11, 15).isoformat()}
    quote = studio.act(booked["id"], "reschedule/quote", there)
    check("moving costs nothing", (quote["fee_cents"], quote["late"]), (0, False))
    moved = studio.act(booked["id"], "reschedule", {**there, "quote": quote["token"]}, If_Match=f'"{booked["version"]}"')
    check(
        "same session, same cents, next version",
        (moved["id"], moved["price_cents"], moved["version"]),
        (booked["id"], booked["price_cents"], booked["version"] + 1),
    )
    stale = studio.act(booked["id"], "reschedule", there, expect=412, If_Match=f'"{booked["version"]}"')
    check("whoever has not seen that is refused", stale["error"], "stale_version")
    quote = studio.act(booked["id"], "cancel/quote")
    check("cancelling is free", (quote["fee_cents"], quote["sessions"][0]["outcome"]), (0, "returned"))
    back = studio.act(booked["id"], "cancel", {"quote": quote["token"], "reason": "A journey."})
    check("the session is back in the package", (back["status"], back["start_time"]), ("draft", None))

    print("  Friday: another one is cancelled too late")
    soon = datetime.now(studio.zone).replace(minute=0, second=0, microsecond=0) + timedelta(hours=5)
    booked = studio.schedule(drafts[0]["id"], soon, override=True, reason="Squeezed in for the example.")
    quote = studio.act(booked["id"], "cancel/quote")
    check("the policy keeps it", (quote["late"], quote["sessions"][0]["outcome"], quote["tier"]["hours_before"]), (True, "consumed", 0))
    studio.act(booked["id"], "complete", expect=409)
    gone = studio.act(booked["id"], "cancel", {"quote": quote["token"]})
    check("cancelled late", (gone["status"], gone["cancelled_late"]), ("cancelled", True))
    again = studio.act(booked["id"], "cancel", expect=409)
    check("once is enough", (again["error"], again["allowed_actions"]), ("invalid_transition", []))


def a_no_show_and_a_review(studio: Studio, drafts: list[dict[str, Any]], customer: dict[str, str]) -> None:
    print("  Saturday: somebody does not come, or does, after all")
    an_hour_ago = datetime.now(studio.zone).replace(second=0, microsecond=0) - timedelta(hours=2)
    missed = studio.schedule(drafts[1]["id"], an_hour_ago, override=True, reason="Noted down afterwards.")
    check("absent", studio.act(missed["id"], "no-show")["status"], "no_show")
    check("no: was here", studio.act(missed["id"], "undo-no-show", {"reason": "Wrong room."})["status"], "confirmed")
    studio.act(missed["id"], "check-in")
    check("took place", studio.act(missed["id"], "complete")["status"], "completed")

    print("  Sunday: a client with a login says how it was")
    found = studio.owner.get("/api/clients/?" + urllib.parse.urlencode({"search": customer["email"]}))["results"]
    sale = studio.sell(found[0]["id"], service=studio.session)
    session = sale["bookings"][0]["id"]
    me = Api(studio.owner.base_url)
    me.headers["Authorization"] = f"Token {customer['token']}"
    early = me.post("/api/customer/reviews/", {"booking": session, "rating": 5}, expect=409)
    check("not before it took place", early["error"], "invalid_transition")
    studio.schedule(session, an_hour_ago - timedelta(hours=2), override=True, reason="Noted down afterwards.")
    studio.act(session, "complete")
    check("the client sees the session", me.get(f"/api/customer/bookings/{session}/")["status"], "completed")
    review = me.post("/api/customer/reviews/", {"booking": session, "rating": 5, "comment": "Very calm."})
    studio.owner.post(f"/api/reviews/{review['id']}/publish/", {}, expect=200)
    shown = studio.owner.get(f"/api/practitioners/{studio.practitioner}/")
    check("the practitioner has a rating", (float(shown["rating_average"]), shown["rating_count"]), (5.0, 1))


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
    owner = Api(demo["base_url"])
    owner.headers["Authorization"] = f"Token {account['tokens']['owner']}"
    try:
        print(f"A week at {account['name']}, {demo['base_url']}")
        studio = Studio(owner, account)
        a_class_and_its_waitlist(studio)
        drafts = a_series(studio)
        moves_and_cancellations(studio, drafts)
        a_no_show_and_a_review(studio, drafts, account["customers"][0])
    except (Mismatch, OSError) as problem:
        print(f"    ✗ {problem}", file=sys.stderr)
        return 1
    print("A good week.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
