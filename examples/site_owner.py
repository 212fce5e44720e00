"""A website is made, sold and looked after, on the running demo: its new owner opens a ticket, and the time that it takes is drawn from a
support package.

    make demo                         # in one terminal
    python3 examples/site_owner.py    # in another

Standard library only. It works in the demo's first business with things of its own, so it can be run again and again. Exit code 1 when
anything differs from what was promised.
"""

import argparse
import json
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from first_sale import PROJECT, Api, Mismatch, check, until

NOBODYS = "00000000-0000-4000-8000-000000000000"


class Agency:
    """The business, and one of its customers."""

    def __init__(self, demo: dict[str, Any]) -> None:
        account = demo["accounts"][0]
        self.slug, self.mark = account["slug"], secrets.token_hex(3)
        self.owner, self.customer = Api(demo["base_url"]), Api(demo["base_url"])
        self.owner.headers["Authorization"] = f"Token {account['tokens']['owner']}"
        self.customer.headers["Authorization"] = f"Token {account['customers'][0]['token']}"
        email = account["customers"][0]["email"]
        self.client = self.owner.get(f"/api/clients/?search={email}")["results"][0]["id"]

    def sell(self, **what: Any) -> dict[str, Any]:
        """Sell something to the client for cash, which is paid at once."""
        sold = self.owner.post("/api/checkout/", {"client": self.client, "method": "cash", **what})
        self.owner.post(f"/api/payments/{sold['payment']['id']}/mark-received/", {}, expect=200)
        return sold

    def owned(self) -> dict[str, dict[str, Any]]:
        """The customer's sites at this business, by their id."""
        sites = self.customer.get(f"/api/customer/my-sites/?account={self.slug}")
        if sites["total"] != len(sites["sites"]) or sites["has_multiple_sites"] != (sites["total"] > 1):
            raise Mismatch(f"my-sites/ does not count well: {sites}")
        return {site["site_id"]: site for site in sites["sites"]}


def sell_sites(agency: Agency) -> list[str]:
    """Two sites are made and sold; returns their ids."""
    made = []
    for name in ("plumber", "roofer"):
        slug = f"{name}-{agency.mark}"
        print(f"  Staff make {slug} and sell it to the client, who pays")
        site = agency.owner.post(
            "/api/sites/",
            {
                "slug": slug,
                "site_title": name.title(),
                "site_url": f"https://{slug}.example",
                "monthly_amount_cents": 4900,
                "price_cents": 25000,
            },
        )
        order = agency.sell(site=site["site_id"])["order"]
        check("it costs its price, for now", order["subtotal_cents"], 25000)
        until("the customer owns it", lambda site_id=site["site_id"]: site_id in agency.owned())
        again = {"client": agency.client, "method": "cash", "site": site["site_id"]}
        check("it is not sold twice", agency.owner.post("/api/checkout/", again, expect=409)["error"], "duplicate_ownership")
        made.append(site["site_id"])
    mine = agency.owned()
    keys = ["site_id", "slug", "site_title", "site_url", "status", "subscription_status", "is_primary", "acquired_at"]
    check("my-sites/ says what is promised", {tuple(site) for site in mine.values()}, {tuple(keys)})
    check("one of them is the primary one", sum(site["is_primary"] for site in mine.values()), 1)
    check("and they are subscribed to", {mine[site_id]["subscription_status"] for site_id in made}, {"active"})
    return made


def choose_site(agency: Agency, sites: list[str]) -> dict[str, Any]:
    """The customer asks for something; returns the ticket."""
    words = {"subject": f"The contact form sends nothing {agency.mark}", "description": "I filled it in twice.", "priority": "high"}
    tickets = f"/api/customer/tickets/?account={agency.slug}"
    print("  The customer opens a ticket, and is asked about which site")
    asked = agency.customer.post(tickets, words, expect=400)
    check("several sites", asked["error"], "site_selection_required")
    offered = [site["site_id"] for site in asked["sites"]]
    check("which are theirs, the primary one first", (sorted(offered), asked["sites"][0]["is_primary"]), (sorted(agency.owned()), True))
    refused = agency.customer.post(tickets, {**words, "site_id": NOBODYS}, expect=403)
    check("somebody else's site is refused", refused["error"], "site_not_owned")
    ticket = agency.customer.post(tickets, {**words, "site_id": sites[0]})
    check("with a site it is open", (ticket["status"], ticket["site_id"]), ("open", sites[0]))
    return ticket


def talk(agency: Agency, ticket: dict[str, Any]) -> None:
    """Staff talk among themselves and to the customer."""
    print("  Staff answer: a message among themselves, and one to the customer")
    staff, mine = f"/api/tickets/{ticket['id']}/", f"/api/customer/tickets/{ticket['id']}/"
    seen = agency.owner.get(staff)
    check("an answer is promised", seen["first_answer_due_at"] is not None and seen["first_answered_at"] is None, True)
    agency.owner.post(f"{staff}messages/", {"body": f"Old provider again {agency.mark}", "internal": True})
    check("a message among staff is no answer", agency.owner.get(staff)["first_answered_at"], None)
    agency.owner.post(f"{staff}messages/", {"body": "Thank you, we look at it today."})
    check("the answer is there, and the work begins", agency.owner.get(staff)["status"], "in_progress")
    messages = agency.customer.get(f"{mine}messages/")["results"]
    check("the customer reads theirs only", [one["body"] for one in messages], ["Thank you, we look at it today."])
    check("staff read both", len(agency.owner.get(f"{staff}messages/")["results"]), 2)
    told = until(
        "the customer is told that there is an answer",
        lambda: [
            one
            for one in agency.customer.get("/api/customer/notifications/")["results"]
            if one["type"] == "ticket_replied" and agency.mark in one["title"]
        ],
    )
    check("and not what was said among staff", "Old provider" in json.dumps(told), False)
    agency.owner.post(f"{staff}wait/", {}, expect=200)
    check("while they wait nothing is due", agency.owner.get(staff)["solution_due_at"], None)
    agency.customer.post(f"{mine}messages/", {"body": "Here is what it says: error 500."})
    check("the customer's message sets it going again", agency.owner.get(staff)["status"], "in_progress")


def draw_time(agency: Agency, ticket: dict[str, Any]) -> None:
    """The work is paid by a support package."""
    print("  Half an hour is drawn from the customer's support package")
    owner, staff = agency.owner, f"/api/tickets/{ticket['id']}/"
    service = owner.post("/api/services/", {"name": f"Support {agency.mark}", "duration_minutes": 30, "price_cents": 4000})["id"]
    person = owner.post("/api/practitioners/", {"display_name": f"Sam {agency.mark}"})["id"]
    owner.post("/api/offerings/", {"practitioner": person, "service": service})
    items = [{"service": service, "quantity": 2}]
    package = owner.post("/api/packages/", {"package_name": f"An hour of support {agency.mark}", "price_cents": 7000, "items": items})
    order = agency.sell(package=package["id"])["order"]["id"]
    began = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
    work = {"practitioner": person, "start_time": began.isoformat(), "order": order, "minutes": 25, "note": "Mail server"}
    key = secrets.token_hex(16)
    logged = owner.post(f"{staff}log-time/", work, Idempotency_Key=key)
    again = owner.post(f"{staff}log-time/", work, Idempotency_Key=key)
    check("sent twice, it is drawn once", (again["id"], len(owner.get(f"{staff}times/")["results"])), (logged["id"], 1))
    sessions = sorted(one["status"] for one in owner.get(f"/api/orders/{order}/")["bookings"])
    check("one session took place, one is left", sessions, ["completed", "draft"])
    owner.post(f"{staff}log-time/", {**work, "start_time": (began - timedelta(hours=1)).isoformat()})
    empty = owner.post(f"{staff}log-time/", {**work, "start_time": (began - timedelta(hours=2)).isoformat()}, expect=409)
    check("then the package is used up", empty["error"], "no_sessions_left")


def end(agency: Agency, ticket: dict[str, Any], sites: list[str]) -> None:
    """It is solved; and whoever gives a site away loses its tickets."""
    print("  It is solved, and one of the sites is taken back")
    staff, mine = f"/api/tickets/{ticket['id']}/", f"/api/customer/tickets/{ticket['id']}/"
    agency.owner.post(f"{staff}resolve/", {}, expect=200)
    check("the customer may reopen it", agency.customer.get(mine)["allowed_actions"], ["close", "reopen"])
    for site_id in sites:
        customer = agency.owner.get(f"/api/sites/{site_id}/owners/")["results"][0]["customer"]
        agency.owner.call("DELETE", f"/api/sites/{site_id}/owners/{customer}/", expect=204)
    check("without the site its tickets are gone", agency.customer.get(mine, expect=404)["error"], "not_found")
    check("the business still has them", agency.owner.get(staff)["status"], "resolved")
    check("the sites are not theirs any more", set(sites) & set(agency.owned()), set())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("DEMO_DIR") or PROJECT / ".demo") / "credentials.json"
    parser.add_argument("credentials", nargs="?", type=Path, default=default)
    path = parser.parse_args().credentials
    if not path.exists():
        print(f"{path} does not exist: start the demo first (make demo).", file=sys.stderr)
        return 1
    demo = json.loads(path.read_text(encoding="utf-8"))
    print(f"A website and its owner, at {demo['accounts'][0]['name']}, {demo['base_url']}")
    agency = Agency(demo)
    try:
        sites = sell_sites(agency)
        ticket = choose_site(agency, sites)
        talk(agency, ticket)
        draw_time(agency, ticket)
        end(agency, ticket, sites)
    except (Mismatch, OSError) as error:
        print(f"    ✗ {error}", file=sys.stderr)
        return 1
    print("The form sends mail again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
