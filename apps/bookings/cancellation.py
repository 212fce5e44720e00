"""What giving up a session costs: the policy's tiers, no-shows, grace (rules.md §3). Pure arithmetic on elapsed time.

``rules`` is the policy as the client agreed to it, in the shape of ``Service.cancellation_policy``:
{tiers: [{hours_before, fee: {kind, value}, session}], no_show: {fee, session}, free_moves, grace: {minutes, if_hours_away}}.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.core.money import half_up

RETURNED, CONSUMED = "returned", "consumed"
DEFAULT_GRACE = {"minutes": 15, "if_hours_away": 2}
NO_FEE: dict[str, Any] = {"kind": "none"}


@dataclass(frozen=True, slots=True)
class Consequence:
    """What applies. ``why`` is free, grace, tier, beyond_tiers, no_show, waived or provider; ``late`` means that it costs something."""

    fee: Mapping[str, Any]
    session: str
    why: str
    hours_before: int | None = None

    @property
    def late(self) -> bool:
        return self.why in ("tier", "beyond_tiers")

    def fee_cents(self, price_cents: int) -> int:
        """The fee on a session of this price: percentages are rounded half up."""
        if self.fee["kind"] == "percent":
            return half_up(price_cents * int(self.fee["value"]), 100)
        return int(self.fee["value"]) if self.fee["kind"] == "fixed" else 0

    def price_of_moving(self, price_cents: int) -> int:
        """What giving up a start costs when the session is kept for another: where it would be used up for no fee, all of its price."""
        return price_cents if self.session == CONSUMED and self.fee["kind"] == "none" else self.fee_cents(price_cents)


FREE = Consequence(NO_FEE, RETURNED, "free")
BY_PROVIDER = Consequence(NO_FEE, RETURNED, "provider")
WAIVED = Consequence(NO_FEE, RETURNED, "waived")
# Later than the last tier, or after the start: the session is used up, which is what its price pays for.
BEYOND_TIERS = Consequence(NO_FEE, CONSUMED, "beyond_tiers")


def of_cancelling(
    rules: Mapping[str, Any], *, start: datetime, booked_at: datetime | None, at: datetime, late_seconds: int | None = None
) -> Consequence:
    """The tier that applies when the client gives up ``start`` at ``at``; at exactly the cut-off the better one.

    After the start there is nothing left to give up: without tiers, too, the session is used up.

    ``late_seconds`` is what was left when an earlier start was given up late: moving a session does not launder that.
    """
    left = int((start - at).total_seconds() // 1)
    if late_seconds is None and in_grace(rules, start=start, booked_at=booked_at, at=at):
        return Consequence(NO_FEE, RETURNED, "grace")
    return _tier(rules, left if late_seconds is None else min(left, late_seconds))


def of_no_show(rules: Mapping[str, Any]) -> Consequence:
    """The policy's words on absence; without any the session is used up."""
    declared = rules.get("no_show")
    if not declared:
        return Consequence(NO_FEE, CONSUMED, "no_show")
    return Consequence(declared["fee"], declared["session"], "no_show")


def in_grace(rules: Mapping[str, Any], *, start: datetime, booked_at: datetime | None, at: datetime) -> bool:
    """Whether a booking is so fresh, and its start so far away, that it may be given up for nothing."""
    grace = rules.get("grace", DEFAULT_GRACE)
    return (
        booked_at is not None
        and at - booked_at <= timedelta(minutes=grace["minutes"])
        and grace["minutes"] > 0
        and start - at > timedelta(hours=grace["if_hours_away"])
    )


def free_until(
    rules: Mapping[str, Any], *, start: datetime, booked_at: datetime | None, late_seconds: int | None = None
) -> datetime | None:
    """The last instant at which cancelling costs nothing; None when it never does (any more)."""
    tiers = _sorted(rules)
    if late_seconds is not None and _tier(rules, late_seconds).late:
        return None
    if not tiers:
        return start
    free_hours = [tier["hours_before"] for tier in _free_prefix(tiers)]
    until = start - timedelta(hours=free_hours[-1]) if free_hours else None
    grace = rules.get("grace", DEFAULT_GRACE)
    if booked_at is not None and late_seconds is None and grace["minutes"] > 0:
        fresh = min(booked_at + timedelta(minutes=grace["minutes"]), start - timedelta(hours=grace["if_hours_away"], microseconds=1))
        if fresh >= booked_at and (until is None or fresh > until):
            until = fresh
    return until


def _tier(rules: Mapping[str, Any], left: int) -> Consequence:
    tiers = _sorted(rules)
    if not tiers and left >= 0:
        return FREE
    for tier in tiers:
        if left >= tier["hours_before"] * 3600:
            free = tier["fee"]["kind"] == "none" and tier["session"] == RETURNED
            return Consequence(tier["fee"], tier["session"], "free" if free else "tier", tier["hours_before"])
    return BEYOND_TIERS


def _sorted(rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    return sorted(rules.get("tiers", ()), key=lambda tier: -tier["hours_before"])


def _free_prefix(tiers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tiers from the most generous on that cost nothing."""
    free = []
    for tier in tiers:
        if tier["fee"]["kind"] != "none" or tier["session"] != RETURNED:
            break
        free.append(tier)
    return free
