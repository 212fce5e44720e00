"""The cancellation policy as arithmetic: elapsed time, tiers, grace, late moves (rules.md §3)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.bookings.cancellation import Consequence, free_until, in_grace, of_cancelling, of_no_show

NEW_YORK = ZoneInfo("America/New_York")
SECOND = timedelta(seconds=1)
START = datetime(2026, 11, 23, 9, tzinfo=UTC)
LONG_AGO = START - timedelta(days=30)


def tier(hours, kind="none", value=None, session="returned"):
    return {"hours_before": hours, "fee": {"kind": kind, **({} if value is None else {"value": value})}, "session": session}


FREE_24 = {"tiers": [tier(24), tier(0, "percent", 50, "consumed")]}
THREE = {"tiers": [tier(48), tier(24, "percent", 25), tier(2, "fixed", 1000, "consumed")]}


def cancel(rules, *, at, start=START, booked_at=LONG_AGO, late_seconds=None):
    return of_cancelling(rules, start=start, booked_at=booked_at, at=at, late_seconds=late_seconds)


# -- elapsed time


@pytest.mark.parametrize(
    ("start", "cut_off"),
    [
        # The night has 23 hours: the cut-off is an hour earlier by the clock.
        (datetime(2026, 3, 8, 12, tzinfo=NEW_YORK), datetime(2026, 3, 7, 11, tzinfo=NEW_YORK)),
        # And 25 hours in autumn.
        (datetime(2026, 11, 1, 12, tzinfo=NEW_YORK), datetime(2026, 10, 31, 13, tzinfo=NEW_YORK)),
        (datetime(2026, 7, 8, 12, tzinfo=NEW_YORK), datetime(2026, 7, 7, 12, tzinfo=NEW_YORK)),
    ],
)
def test_hours_are_elapsed_time_across_clock_changes(start, cut_off):
    start, cut_off = start.astimezone(UTC), cut_off.astimezone(UTC)
    booked_at = start - timedelta(days=30)

    assert free_until(FREE_24, start=start, booked_at=booked_at) == cut_off
    assert cancel(FREE_24, start=start, booked_at=booked_at, at=cut_off).why == "free"
    assert cancel(FREE_24, start=start, booked_at=booked_at, at=cut_off + SECOND).why == "tier"


@pytest.mark.parametrize(("hours", "better", "worse"), [(48, "none", "percent"), (24, "percent", "fixed"), (2, "fixed", "none")])
def test_exactly_at_the_cut_off_the_better_tier_applies(hours, better, worse):
    cut_off = START - timedelta(hours=hours)

    assert cancel(THREE, at=cut_off).fee["kind"] == better
    assert cancel(THREE, at=cut_off + SECOND).fee["kind"] == worse
    assert cancel(THREE, at=cut_off + timedelta(microseconds=1)).fee["kind"] == worse
    assert cancel(THREE, at=cut_off).hours_before == hours


def test_later_than_all_tiers_the_session_is_used_up():
    gone = cancel(THREE, at=START - timedelta(hours=1))

    assert (gone.why, gone.session, gone.fee_cents(5000), gone.late) == ("beyond_tiers", "consumed", 0, True)


def test_the_order_in_which_tiers_are_written_does_not_matter():
    shuffled = {"tiers": [THREE["tiers"][1], THREE["tiers"][2], THREE["tiers"][0]]}

    for hours in (50, 48, 30, 24, 5, 2, 1):
        assert cancel(shuffled, at=START - timedelta(hours=hours)) == cancel(THREE, at=START - timedelta(hours=hours))


def test_without_tiers_everything_is_free_until_the_start():
    assert cancel({}, at=START - SECOND).why == "free"
    assert cancel({}, at=START).why == "free"
    assert cancel({}, at=START + SECOND).why == "beyond_tiers"
    assert free_until({}, start=START, booked_at=None) == START


# -- fees


@pytest.mark.parametrize(
    ("kind", "value", "price", "fee"),
    [
        ("percent", 50, 3333, 1667),  # 1666.5 is rounded half up
        ("percent", 50, 3331, 1666),  # 1665.5
        ("percent", 33, 100, 33),
        ("percent", 1, 49, 0),
        ("percent", 1, 50, 1),
        ("percent", 100, 5000, 5000),
        ("percent", 0, 5000, 0),
        ("fixed", 1500, 100, 1500),
        ("none", None, 5000, 0),
    ],
)
def test_fee_in_cents(kind, value, price, fee):
    declared = tier(0, kind, value)

    assert Consequence(declared["fee"], "returned", "tier").fee_cents(price) == fee


def test_no_show_follows_the_policy_or_uses_the_session_up():
    declared = {"no_show": {"fee": {"kind": "fixed", "value": 700}, "session": "returned"}}

    assert (of_no_show(declared).fee_cents(5000), of_no_show(declared).session) == (700, "returned")
    assert (of_no_show({}).fee_cents(5000), of_no_show({}).session) == (0, "consumed")


# -- grace

NEVER_FREE = {"tiers": [tier(0, "percent", 100, "consumed")]}


@pytest.mark.parametrize(
    ("after_booking", "before_start", "why"),
    [
        (timedelta(minutes=15), timedelta(hours=3), "grace"),
        (timedelta(minutes=15, seconds=1), timedelta(hours=3), "tier"),
        (timedelta(minutes=1), timedelta(hours=2, seconds=1), "grace"),
        (timedelta(minutes=1), timedelta(hours=2), "tier"),  # the start must be further away than two hours
    ],
)
def test_grace_is_fifteen_minutes_when_the_start_is_more_than_two_hours_away(after_booking, before_start, why):
    at = START - before_start

    assert cancel(NEVER_FREE, at=at, booked_at=at - after_booking).why == why


def test_grace_can_be_set_and_switched_off():
    longer = {**NEVER_FREE, "grace": {"minutes": 60, "if_hours_away": 0}}
    none = {**NEVER_FREE, "grace": {"minutes": 0, "if_hours_away": 0}}
    booked_at = START - timedelta(hours=1)

    assert cancel(longer, at=START - SECOND, booked_at=booked_at).why == "grace"
    assert cancel(longer, at=START, booked_at=booked_at).why == "tier"
    assert cancel(none, at=booked_at, booked_at=booked_at).why == "tier"
    assert not in_grace(longer, start=START, booked_at=None, at=booked_at)


# -- late moves


def test_a_late_move_sticks_to_the_session():
    week_before = START - timedelta(days=7)

    assert cancel(THREE, at=week_before).why == "free"
    assert cancel(THREE, at=week_before, late_seconds=3 * 3600).fee["kind"] == "fixed"
    assert cancel(THREE, at=week_before, late_seconds=3600).why == "beyond_tiers"
    # What is left now counts when it is less.
    assert cancel(THREE, at=START - timedelta(hours=1), late_seconds=30 * 3600).why == "beyond_tiers"
    assert free_until(THREE, start=START, booked_at=LONG_AGO, late_seconds=3600) is None


def test_grace_does_not_launder_a_late_move():
    at = START - timedelta(days=1)

    assert cancel(NEVER_FREE, at=at, booked_at=at).why == "grace"
    assert cancel(NEVER_FREE, at=at, booked_at=at, late_seconds=60).why == "tier"


# -- what is promised is kept

fees = st.one_of(
    st.just({"kind": "none"}),
    st.builds(lambda cents: {"kind": "fixed", "value": cents}, st.integers(1, 10_000)),
    st.builds(lambda per_cent: {"kind": "percent", "value": per_cent}, st.integers(1, 100)),
)


@st.composite
def policies(draw):
    """Any policy that does not get better as the start comes nearer: free tiers first, then those that cost."""
    hours = sorted(draw(st.lists(st.integers(0, 200), min_size=1, max_size=5, unique=True)), reverse=True)
    free = draw(st.integers(0, len(hours)))
    tiers = [tier(h) for h in hours[:free]]
    for hour in hours[free:]:
        fee = draw(fees)
        session = "consumed" if fee["kind"] == "none" else draw(st.sampled_from(["returned", "consumed"]))
        tiers.append({"hours_before": hour, "fee": fee, "session": session})
    rules = {"tiers": draw(st.permutations(tiers))}
    if draw(st.booleans()):
        rules["grace"] = {"minutes": draw(st.integers(0, 600)), "if_hours_away": draw(st.integers(0, 100))}
    return rules


@given(
    rules=policies(),
    booked=st.one_of(st.none(), st.integers(0, 300 * 3600)),
    late_seconds=st.one_of(st.none(), st.integers(0, 300 * 3600)),
    at=st.integers(-3600, 300 * 3600),
)
def test_free_until_agrees_with_what_cancelling_costs(rules, booked, late_seconds, at):
    booked_at = None if booked is None else START - timedelta(seconds=booked)
    about = {"start": START, "booked_at": booked_at, "late_seconds": late_seconds}
    when = START - timedelta(seconds=at)
    assume(booked_at is None or when >= booked_at)

    until = free_until(rules, **about)

    if until is None:
        assert of_cancelling(rules, at=when, **about).late
        return
    if booked_at is None or until >= booked_at:  # otherwise it was over before it was booked
        assert not of_cancelling(rules, at=until, **about).late
        assert of_cancelling(rules, at=until + SECOND, **about).late
    assert of_cancelling(rules, at=when, **about).late == (when > until)
