"""Quotes: what is committed is what was said, or nothing (rules.md §11)."""

from datetime import timedelta

import pytest
from django.core import signing

from apps.bookings.models import Booking
from apps.bookings.services.endings import cancel_booking, mark_no_show, quote_cancellation, quote_no_show
from apps.bookings.services.scheduling import quote_reschedule, reschedule_booking
from apps.core.errors import Invalid, QuoteStale
from apps.core.quotes import SALT
from apps.core.tenancy import account_scope
from apps.orders.services import add_line, lock_order
from tests.bookings.life import TUESDAY_TEN, book, do, everything, row_of
from tests.studio import MONDAY_TEN

HOUR = timedelta(hours=1)
TEN_MINUTES = timedelta(minutes=10)
RULES = {
    "tiers": [
        {"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 2, "fee": {"kind": "percent", "value": 50}, "session": "returned"},
        {"hours_before": 0, "fee": {"kind": "percent", "value": 80}, "session": "returned"},
    ],
    "grace": {"minutes": 0, "if_hours_away": 0},
}
# (ask, commit, when, inputs)
KINDS = {
    "cancel": (quote_cancellation, cancel_booking, MONDAY_TEN - 3 * HOUR, {"by": "client"}),
    "reschedule": (quote_reschedule, reschedule_booking, MONDAY_TEN - 3 * HOUR, {"by": "client", "start_time": TUESDAY_TEN}),
    "no-show": (quote_no_show, mark_no_show, MONDAY_TEN + HOUR, {}),
}
OTHER_INPUTS = {
    "cancel": {"by": "provider"},
    "reschedule": {"by": "client", "start_time": TUESDAY_TEN + HOUR},
    "no-show": {"waive": True},
}


@pytest.fixture(params=KINDS)
def quoted(request, make_studio):
    """(studio, booking, ask, commit, when, inputs, quote, kind) of each kind of quote."""
    studio = make_studio(cancellation_policy=RULES)
    booking = book(studio)
    ask, commit, at, inputs = KINDS[request.param]
    return studio, booking, ask, commit, at, inputs, do(studio, ask, booking, at=at, **inputs), request.param


def refused(studio, booking, commit, **options):
    """The error of a commit that must write nothing."""
    before = everything(studio)
    with pytest.raises((QuoteStale, Invalid)) as caught:
        do(studio, commit, booking, **options)
    assert everything(studio) == before
    return caught.value


def test_the_commit_within_ten_minutes_does_what_was_said(quoted):
    studio, booking, _, commit, at, inputs, quote, _ = quoted

    assert quote["expires_at"] == at + TEN_MINUTES
    do(studio, commit, booking, at=at + TEN_MINUTES - timedelta(seconds=1), quote=quote["token"], **inputs)

    assert row_of(studio, booking).version == booking.version + 1


def test_after_ten_minutes_there_is_a_new_quote_and_it_holds(quoted):
    studio, booking, _, commit, at, inputs, quote, _ = quoted
    later = at + TEN_MINUTES

    stale = refused(studio, booking, commit, at=later, quote=quote["token"], **inputs)

    assert isinstance(stale, QuoteStale)
    assert stale.extras["quote"]["fee_cents"] == quote["fee_cents"]
    do(studio, commit, booking, at=later, quote=stale.extras["quote"]["token"], **inputs)


def test_another_question_is_not_answered_by_this_quote(quoted):
    studio, booking, _, commit, at, _, quote, kind = quoted
    reason = {"reason": "asked differently"} if kind != "reschedule" else {}

    stale = refused(studio, booking, commit, at=at, quote=quote["token"], **OTHER_INPUTS[kind], **reason)

    assert isinstance(stale, QuoteStale)
    assert stale.extras["quote"]["token"] != quote["token"]


def test_a_changed_session_makes_a_quote_stale(quoted):
    studio, booking, _, commit, at, inputs, quote, _ = quoted
    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(version=booking.version + 1)

    assert isinstance(refused(studio, booking, commit, at=at, quote=quote["token"], **inputs), QuoteStale)


def test_changed_facts_make_a_quote_stale(quoted):
    """The policy agreed upon, or the money of the order, gives another result than was said."""
    studio, booking, _, commit, at, inputs, quote, _ = quoted
    rules = {"tiers": [{"hours_before": 0, "fee": {"kind": "fixed", "value": 1}, "session": "returned"}], "grace": RULES["grace"]}
    rules["no_show"] = {"fee": {"kind": "fixed", "value": 1}, "session": "returned"}
    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(policy={"rules": rules})

    stale = refused(studio, booking, commit, at=at, quote=quote["token"], **inputs)

    assert stale.extras["quote"]["fee_cents"] == 1


def test_a_tier_that_is_crossed_makes_a_quote_stale(make_studio):
    studio = make_studio(cancellation_policy=RULES)
    booking = book(studio)
    at = MONDAY_TEN - 2 * HOUR - timedelta(minutes=5)
    quote = do(studio, quote_cancellation, booking, at=at)

    stale = refused(studio, booking, cancel_booking, at=at + timedelta(minutes=6), quote=quote["token"])

    assert (quote["fee_cents"], stale.extras["quote"]["fee_cents"]) == (2500, 4000)


def test_a_payment_in_between_makes_a_quote_of_a_refund_stale(make_studio):
    studio = make_studio(cancellation_policy=RULES)
    booking = book(studio)
    at = MONDAY_TEN - 3 * HOUR
    with account_scope(studio.account):
        order = lock_order(booking.order_id)
        order.paid_cents = 5000  # as if it had been paid
        order.save(update_fields=["paid_cents"])
    quote = do(studio, quote_cancellation, booking, at=at)
    with account_scope(studio.account):
        add_line(lock_order(booking.order_id), kind="fee", description="Towel", amount_cents=100)

    stale = refused(studio, booking, cancel_booking, at=at, quote=quote["token"])

    assert (quote["refund_cents"], stale.extras["quote"]["refund_cents"]) == (2500, 2400)


def test_forged_and_foreign_tokens_are_bad_input(quoted, make_studio):
    studio, booking, _, commit, at, inputs, quote, kind = quoted
    token = quote["token"]
    elsewhere = make_studio()
    other_ask, _, other_at, other_inputs = KINDS["cancel" if kind != "cancel" else "no-show"]
    forged = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        "x",
        signing.dumps({"k": "booking.cancel"}, salt="another"),
        do(studio, other_ask, booking, at=other_at, **other_inputs)["token"],  # of another kind
        do(elsewhere, KINDS[kind][0], book(elsewhere), at=at, **inputs)["token"],  # of another account
    ]

    for one in forged:
        error = refused(studio, booking, commit, at=at, quote=one, **inputs)
        assert isinstance(error, Invalid)
        assert list(error.fields) == ["quote"]


def test_a_token_says_nothing_readable_about_persons(quoted):
    claims = signing.loads(quoted[6]["token"], salt=SALT)

    assert set(claims) == {"k", "a", "i", "r", "e"}
