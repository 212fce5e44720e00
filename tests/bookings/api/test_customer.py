"""/api/customer/bookings/: what a client sees of their sessions, and may do with them."""

from datetime import timedelta

import pytest
import time_machine

from apps.bookings.models import Status
from apps.checkout.collecting import collect
from apps.core.events import acting
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from factories.bookings import BookingFactory
from factories.catalog import OfferingFactory
from factories.clients import ClientFactory
from tests.bookings.life import TUESDAY_TEN, book, everything, pay, second_practitioner
from tests.bookings.owned import states
from tests.payments.counter import set_up
from tests.portal import BOOKINGS, act, become, brought, in_force, sign_in, told
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.usefixtures("_saturday")

MONDAY = "from=2026-11-23&to=2026-11-24"
ONE_DAY_HALF = {
    "tiers": [
        {"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 0, "fee": {"kind": "percent", "value": 50}, "session": "returned"},
    ],
    "no_show": {"fee": {"kind": "none"}, "session": "consumed"},
    "grace": {"minutes": 0, "if_hours_away": 0},
}


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def me(studio):
    return sign_in(become(studio))


# -- reading


def test_a_booking_shows_what_its_client_needs_before_acting(me, studio):
    in_force(studio, cancellation_policy=ONE_DAY_HALF)
    booking = book(studio)

    response = me.get(f"{BOOKINGS}{booking.pk}/")

    body = response.json()
    assert response.headers["ETag"] == '"2"'
    assert body == {
        "id": booking.pk,
        "account_slug": "berlin",
        "account_name": "Berlin Studio",
        "order": booking.order_id,
        "practitioner": studio.practitioner.pk,
        "practitioner_name": studio.practitioner.display_name,
        "service": studio.service.pk,
        "service_name": studio.service.name,
        "position": 1,
        "status": "confirmed",
        "payment_status": "unpaid",
        "start_time": "2026-11-23T09:00:00Z",
        "end_time": "2026-11-23T10:00:00Z",
        "timezone": "Europe/Berlin",
        "attendee_name": "",
        "capacity": 1,
        "price_cents": 5000,
        "tax_cents": 0,
        "currency": "EUR",
        "fee_cents": 0,
        "version": 2,
        "hold_expires_at": None,
        "free_until": "2026-11-22T09:00:00Z",
        "cancellation_policy": ONE_DAY_HALF,
        "series": None,
        "cancelled_at": None,
        "cancelled_side": "",
        "cancelled_late": False,
        "allowed_actions": ["reschedule", "cancel"],
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }
    assert me.get(BOOKINGS).json()["results"] == [body]


def test_a_session_keeps_the_terms_it_was_bought_under_and_without_any_shows_those_of_now(me, studio):
    in_force(studio, cancellation_policy=ONE_DAY_HALF)
    bought = studio.draft()
    in_force(studio, cancellation_policy={})
    with account_scope(studio.account):
        order = Order.objects.get(pk=bought.order_id)
    brought_over = BookingFactory(account=studio.account, order=order, client=studio.client, service=studio.service, position=2)

    def terms(booking):
        return me.get(f"{BOOKINGS}{booking.pk}/").json()["cancellation_policy"]

    assert (terms(bought), terms(brought_over)) == (ONE_DAY_HALF, {})
    in_force(studio, cancellation_policy={**ONE_DAY_HALF, "free_moves": 1})
    assert (terms(bought), terms(brought_over)) == (ONE_DAY_HALF, {**ONE_DAY_HALF, "free_moves": 1})
    act(me, bought, "schedule", start_time=MONDAY_TEN.isoformat())
    assert terms(bought) == ONE_DAY_HALF


@pytest.mark.parametrize(
    ("status", "approval", "expected"),
    [
        (Status.DRAFT, False, ["schedule", "hold"]),
        (Status.HELD, False, ["confirm", "reschedule", "cancel"]),
        (Status.HELD, True, ["confirm", "reschedule", "cancel"]),
        (Status.PENDING, True, ["reschedule", "cancel"]),
        (Status.PENDING, False, ["reschedule", "cancel"]),
        (Status.CONFIRMED, False, ["reschedule", "cancel"]),
        (Status.CHECKED_IN, False, []),
        (Status.COMPLETED, False, []),
        (Status.CANCELLED, False, []),
        (Status.NO_SHOW, False, []),
        (Status.FORFEITED, False, []),
    ],
)
def test_allowed_actions_are_a_clients(me, studio, status, approval, expected):
    booking = brought(studio, status, approval=approval)

    assert me.get(f"{BOOKINGS}{booking.pk}/").json()["allowed_actions"] == expected


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_a_fixed_number_of_statements(me, studio, statements, count):
    for number in range(count):
        book(studio, start=MONDAY_TEN + timedelta(hours=number))

    with statements() as made:
        response = me.get(BOOKINGS)

    assert len(response.json()["results"]) == count
    assert len(made()) == 4, "\n".join(sql[:120] for sql in made())  # token, clients, scope, bookings


def test_bookings_are_filtered_and_ordered(me, studio):
    draft, monday, tuesday = studio.draft(), book(studio), book(studio, start=TUESDAY_TEN)

    def ids(query):
        response = me.get(f"{BOOKINGS}?{query}")
        return [row["id"] for row in response.json()["results"]] if response.status_code == 200 else response.json()["error"]

    assert ids("status=confirmed&ordering=id") == [monday.pk, tuesday.pk]
    assert ids("from=2026-11-24T00:00:00Z") == [tuesday.pk]
    assert ids("to=2026-11-24T00:00:00Z") == [monday.pk]
    assert ids("account=berlin&status=draft") == [draft.pk]
    assert ids("page_size=2&ordering=created_at") == [draft.pk, monday.pk]
    assert (ids("client=1"), ids("practitioner=1"), ids("status=nonsense")) == ("unknown_field", "unknown_field", "validation_error")


def test_a_group_shows_its_seats_and_nobody_else(me, studio):
    in_force(studio, capacity=3)
    mine = book(studio)
    stranger = ClientFactory(account=studio.account, full_name="Zoe Quill")
    theirs = book(studio, studio.draft(client=stranger), attendee_name="Quentin Quill")

    body = me.get(f"{BOOKINGS}{mine.pk}/")

    assert body.json()["capacity"] == 3
    assert b"Quill" not in body.content + me.get(BOOKINGS).content + me.get(f"/api/customer/slots/?booking={mine.pk}&{MONDAY}").content
    assert me.get(f"{BOOKINGS}{theirs.pk}/").status_code == 404


# -- acting


def test_schedule_books_whoever_is_free(me, studio):
    booking = studio.draft()
    taken = second_practitioner(studio)
    book(studio, studio.draft(client=studio.other_client()), practitioner=taken)

    body = act(me, booking, "schedule", start_time=MONDAY_TEN.isoformat())

    assert (body["status"], body["practitioner"], body["version"]) == ("confirmed", studio.practitioner.pk, 2)


def test_schedule_keeps_to_the_seats_for_clients(me, studio):
    in_force(studio, capacity=3, online_capacity=1)
    book(studio, studio.draft(client=studio.other_client()))
    booking = studio.draft()
    wanted = {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()}

    assert told(me, booking, "schedule", **wanted) == (409, "slot_taken")
    assert told(me, booking, "hold", **wanted) == (409, "slot_taken")
    assert book(studio, booking).seat == 2  # the business may use the rest


def test_schedule_keeps_to_the_limits_of_each_client(me, studio):
    in_force(studio, limits={"client": {"per_day": 1}})
    book(studio)
    second = studio.draft()

    response = me.post(f"{BOOKINGS}{second.pk}/schedule/", {"start_time": (MONDAY_TEN + timedelta(hours=2)).isoformat()})

    assert (response.status_code, response.json()["error"], response.json()["rule"]) == (409, "limit_reached", "client.per_day")


def test_a_hold_is_confirmed_in_time_only(me, studio):
    booking, late = studio.draft(), studio.draft()

    held = act(me, booking, "hold", start_time=MONDAY_TEN.isoformat())
    assert (held["status"], held["allowed_actions"]) == ("held", ["confirm", "reschedule", "cancel"])
    assert act(me, booking, "confirm", version=held["version"])["status"] == "confirmed"

    act(me, late, "hold", start_time=TUESDAY_TEN.isoformat())
    with time_machine.travel(NOW + timedelta(minutes=20), tick=True):
        assert told(me, late, "confirm") == (409, "hold_expired")


def bought_online(studio, method, **options):
    """The package with a first start, as its client buys it at the public door."""
    if method == "stripe":
        set_up(studio.account, "stripe", {})
    with acting(None, "public"):
        return studio.sell(method=method, by="client", practitioner=studio.practitioner, start_time=MONDAY_TEN, **options)


@pytest.mark.parametrize("method", ["stripe", "bank_transfer"])
def test_time_that_waits_for_money_is_not_a_clients_to_book(me, studio, method):
    sale = bought_online(studio, method)
    held, draft, _ = sale.bookings
    later = {"start_time": TUESDAY_TEN.isoformat()}

    assert act(me, held, "confirm", status=409)["balance_due_cents"] == 10000
    assert told(me, held, "confirm") == (409, "payment_required")
    assert [told(me, draft, action, **later) for action in ("schedule", "hold")] == [(409, "payment_required")] * 2
    refused = me.post(f"/api/customer/packages/{sale.order.pk}/schedule-next/", later)
    assert (refused.status_code, refused.json()["error"]) == (409, "payment_required")
    assert states(studio, sale.order) == ["held", "draft", "draft"]

    if method == "bank_transfer":
        pay(studio, sale)  # the money confirms it
        assert act(me, draft, "schedule", **later)["status"] == "confirmed"
        assert states(studio, sale.order) == ["confirmed", "confirmed", "draft"]


def test_staff_book_time_that_waits_for_money(owner, studio):
    sale = bought_online(studio, "bank_transfer")

    assert owner.post(f"/api/bookings/{sale.bookings[0].pk}/confirm/").json()["status"] == "confirmed"


def test_staff_who_wait_for_a_transfer_instead_book_the_start_that_was_held(studio):
    sale = bought_online(studio, "stripe")

    with account_scope(studio.account):
        collect(sale.order, method="bank_transfer")
    assert states(studio, sale.order) == ["confirmed", "draft", "draft"]


def test_a_start_that_staff_sold_by_card_is_not_its_clients_to_confirm(me, studio):
    set_up(studio.account, "stripe", {})
    sale = studio.sell(method="stripe", practitioner=studio.practitioner, start_time=MONDAY_TEN)

    assert told(me, sale.bookings[0], "confirm") == (409, "payment_required")
    assert states(studio, sale.order) == ["held", "draft", "draft"]


def test_who_pays_on_arrival_books_the_sessions_of_an_unpaid_package(me, studio):
    sale = bought_online(studio, "cash")

    assert act(me, sale.bookings[1], "schedule", start_time=TUESDAY_TEN.isoformat())["status"] == "confirmed"
    assert states(studio, sale.order) == ["confirmed", "confirmed", "draft"]


def test_what_requires_approval_becomes_a_request_that_its_client_cannot_grant(me, studio):
    in_force(studio, requires_approval=True)
    held, scheduled = studio.draft(), studio.draft()

    act(me, held, "hold", start_time=MONDAY_TEN.isoformat())
    assert act(me, held, "confirm")["status"] == "pending"
    assert act(me, scheduled, "schedule", start_time=TUESDAY_TEN.isoformat())["status"] == "pending"

    for booking in (held, scheduled):
        refused = act(me, booking, "confirm", status=409)
        assert (refused["error"], refused["allowed_actions"]) == ("invalid_transition", ["reschedule", "cancel"])


def test_a_move_is_quoted_and_costs_what_the_terms_say(me, studio):
    in_force(studio, cancellation_policy=ONE_DAY_HALF)
    booking = book(studio)
    wanted = {"start_time": TUESDAY_TEN.isoformat()}

    early = act(me, booking, "reschedule/quote", **wanted)
    assert (early["fee_cents"], early["late"], early["practitioner"]) == (0, False, studio.practitioner.pk)

    with time_machine.travel(MONDAY_TEN - timedelta(hours=2), tick=True):
        late = act(me, booking, "reschedule/quote", **wanted)
        assert (late["fee_cents"], late["late"]) == (2500, True)
        stale = act(me, booking, "reschedule", status=409, quote=early["token"], **wanted)
        assert (stale["error"], stale["quote"]["fee_cents"]) == ("quote_stale", 2500)
        moved = act(me, booking, "reschedule", quote=late["token"], version=2, **wanted)
    assert (moved["start_time"], moved["fee_cents"], moved["version"], moved["status"]) == ("2026-11-24T09:00:00Z", 2500, 3, "confirmed")


def test_a_cancellation_is_quoted_and_costs_what_the_terms_say(me, studio):
    in_force(studio, cancellation_policy=ONE_DAY_HALF)
    booking = book(studio)

    with time_machine.travel(MONDAY_TEN - timedelta(hours=2), tick=True):
        quote = act(me, booking, "cancel/quote")
        assert (quote["fee_cents"], quote["late"], quote["tier"]) == (2500, True, {"why": "tier", "hours_before": 0})
        body = act(me, booking, "cancel", quote=quote["token"], reason="ill")

    assert (body["status"], body["cancelled_side"], body["cancelled_late"], body["fee_cents"]) == ("cancelled", "client", True, 2500)
    with account_scope(studio.account):
        assert Order.objects.get(pk=booking.order_id).total_amount_cents == 2500


def test_an_older_version_is_refused(me, studio):
    booking = book(studio)

    for refused in (
        me.post(f"{BOOKINGS}{booking.pk}/cancel/", {"version": 1}),
        me.post(f"{BOOKINGS}{booking.pk}/cancel/", {}, headers={"If-Match": '"1"'}),
    ):
        assert (refused.status_code, refused.json()["error"], refused.json()["version"]) == (412, "stale_version", 2)
    assert act(me, booking, "cancel", headers={"If-Match": '"2"'})["version"] == 3


@pytest.mark.parametrize("action", ["schedule", "hold", "confirm", "reschedule", "reschedule/quote", "cancel", "cancel/quote"])
@pytest.mark.parametrize("key", ["override", "waive", "by", "client", "price_cents", "expires_at", "minutes", "anybody", "in_series", "at"])
def test_a_client_cannot_bend_the_rules(me, studio, action, key):
    booking, before = studio.draft(), everything(studio)

    response = me.post(f"{BOOKINGS}{booking.pk}/{action}/", {"start_time": MONDAY_TEN.isoformat(), key: True})

    assert (response.status_code, response.json()["error"]) == (400, "unknown_field")
    assert key in response.json()["fields"]
    assert everything(studio) == before


@pytest.mark.parametrize("action", ["check-in", "complete", "no-show", "undo-no-show", "decline", "release", "forfeit", "no-show/quote"])
def test_what_staff_do_has_no_address_here(me, studio, action):
    booking = book(studio)

    assert me.post(f"{BOOKINGS}{booking.pk}/{action}/").status_code == 404
    assert me.patch(f"{BOOKINGS}{booking.pk}/", {"status": "completed"}).status_code == 405
    assert me.delete(f"{BOOKINGS}{booking.pk}/").status_code == 405
    assert me.post(BOOKINGS, {}).status_code == 405


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "start_time"),
        ({"start_time": "2026-11-23T10:00:00"}, "start_time"),
        ({"start_time": None}, "start_time"),
        ({"start_time": MONDAY_TEN.isoformat(), "practitioner": 2**62}, "practitioner"),
        ({"start_time": MONDAY_TEN.isoformat(), "practitioner": "abc"}, "practitioner"),
        ({"start_time": MONDAY_TEN.isoformat(), "version": 0}, "version"),
        ({"start_time": MONDAY_TEN.isoformat(), "attendee_name": "x" * 256}, "attendee_name"),
    ],
)
def test_schedule_refuses_what_cannot_be(me, studio, body, field):
    booking = studio.draft()

    response = me.post(f"{BOOKINGS}{booking.pk}/schedule/", body)

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, "validation_error", [field])


def test_a_practitioner_of_the_persons_other_account_does_not_exist_for_this_booking(me, studio, other_account):
    """Both accounts are in reach, but a booking knows its own only."""
    with account_scope(studio.account):
        customer = studio.client.customer
    ClientFactory(account=other_account, customer=customer)
    foreign = OfferingFactory(account=other_account).practitioner
    booking, moved = studio.draft(), book(studio)

    for row, action in ((booking, "schedule"), (booking, "hold"), (moved, "reschedule")):
        response = me.post(f"{BOOKINGS}{row.pk}/{action}/", {"practitioner": foreign.pk, "start_time": TUESDAY_TEN.isoformat()})
        assert response.status_code == 400
        assert response.json()["fields"] == {"practitioner": [f'Invalid pk "{foreign.pk}" - object does not exist.']}


def test_asking_twice_for_a_cancellation_does_not_take_the_returned_session_away(me, studio):
    """A draft has no time to give up; giving back what was bought is a refund, and that is for the business."""
    booking = book(studio, studio.sell().bookings[0])
    assert me.post(f"{BOOKINGS}{booking.pk}/cancel/", {}).json()["status"] == "draft"
    before = everything(studio)

    for path in ("cancel/", "cancel/quote/"):
        response = me.post(f"{BOOKINGS}{booking.pk}/{path}", {})
        assert (response.status_code, response.json()["error"]) == (409, "invalid_transition")
        assert response.json()["allowed_actions"] == ["schedule", "hold"]
    assert everything(studio) == before


def test_a_request_that_came_from_a_late_move_is_not_free_to_give_up(me, studio):
    """What is shown is what cancelling costs: a tier that sticks leaves nothing free."""
    studio.service.cancellation_policy = {
        "tiers": [{"hours_before": 72, "fee": {"kind": "none"}, "session": "returned"}],
        "grace": {"minutes": 0, "if_hours_away": 0},
    }
    with account_scope(studio.account):
        studio.service.save(update_fields=["cancellation_policy"])
    booking = brought(studio, Status.CONFIRMED, approval=True)

    moved = me.post(f"{BOOKINGS}{booking.pk}/reschedule/", {"start_time": TUESDAY_TEN.isoformat()}).json()

    assert (moved["status"], moved["free_until"]) == ("pending", None)
    assert me.post(f"{BOOKINGS}{booking.pk}/cancel/quote/", {}).json()["late"] is True
