"""Sessions, and what hangs on them, of a client who is merged into another."""

from itertools import groupby
from typing import Any

from apps.bookings.models import Booking, BookingDocument, BookingSeries, Review, WaitlistEntry, WaitlistOffer
from apps.clients.models import Client
from apps.core.merging import Merging, follows, looks_for_conflicts

SHOWN = 100


def sessions_at_once(merging: Merging) -> list[dict[str, Any]]:
    """Sessions to come of the two that overlap. Two places under one name in the same session cannot both stay one client's.

    Those hold also when their time is over and nobody has closed them yet.
    """
    pair = (merging.winner.pk, merging.loser.pk)
    fields = ("id", "client_id", "practitioner_id", "start_time", "end_time", "attendee_name", "overlap_allowed")
    active = list(Booking.objects.active().filter(client__in=pair).order_by("start_time", "id").values(*fields))
    found = []
    for place, sessions in groupby(sorted(active, key=_place), key=_place):
        same = list(sessions)
        if not place[-1] and len({one["client_id"] for one in same}) == 2:
            found += _pairs(same, is_blocking=True)
    coming = [one for one in active if one["end_time"] > merging.at]
    blocked = {(one["booking"], one["other"]) for one in found}
    found += [one for one in _pairs(coming, is_blocking=False) if (one["booking"], one["other"]) not in blocked]
    return found[:SHOWN]


def _place(session: dict[str, Any]) -> tuple[Any, ...]:
    return session["practitioner_id"], session["start_time"], session["attendee_name"], session["overlap_allowed"]


def _pairs(sessions: list[dict[str, Any]], *, is_blocking: bool) -> list[dict[str, Any]]:
    """Each two of different clients that overlap."""
    return [
        {"booking": one["id"], "other": two["id"], "start_time": two["start_time"], "is_blocking": is_blocking}
        for i, one in enumerate(sessions)
        for two in sessions[i + 1 :]
        if one["client_id"] != two["client_id"] and one["start_time"] < two["end_time"] and two["start_time"] < one["end_time"]
    ]


looks_for_conflicts(Client, sessions_at_once)

follows(Booking, "client")
for model in (BookingSeries, WaitlistEntry, WaitlistOffer, BookingDocument, Review):
    follows(model, "client")
