"""Notifications, preferences, deliveries and the sender, over HTTP."""

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Account, Role
from apps.accounts.services.members import remove_member
from apps.core.doctor import invariants
from apps.core.events import acting
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.core.vault import take_out
from apps.notifications.handlers import forget_what_a_member_was_told
from apps.notifications.models import Channel, Delivery, Kind, Notification, Preference, SenderIdentity
from factories.accounts import MembershipFactory, token_for
from factories.clients import ClientFactory
from factories.notifications import DeliveryFactory, NotificationFactory
from factories.users import CustomerFactory, UserFactory
from tests.conftest import ApiClient

MINE, OWN = "/api/notifications/", "/api/customer/notifications/"


@pytest.fixture
def member(account: Account) -> Any:
    return MembershipFactory(account=account, role=Role.FRONT_DESK).user


@pytest.fixture
def staff(member: Any) -> ApiClient:
    return ApiClient(token_for(member))


@pytest.fixture
def person(account: Account, other_account: Account) -> Any:
    """A customer who is a client of two businesses."""
    customer = CustomerFactory()
    ClientFactory(account=account, customer=customer)
    ClientFactory(account=other_account, customer=customer)
    return customer


@pytest.fixture
def customer(person: Any) -> ApiClient:
    return ApiClient(token_for(person.user))


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["results"]]


# -- the list


def test_a_member_reads_what_they_were_told_newest_first(staff: ApiClient, member: Any, account: Account, other_account: Account) -> None:
    made = [NotificationFactory(account=account, user=member, data={"booking": 7}, action_url="/bookings/7") for _ in range(3)]
    NotificationFactory(account=account)  # somebody else's
    NotificationFactory(account=other_account, user=member)  # theirs, elsewhere

    answer = staff.get(MINE)

    assert ids(answer) == [one.pk for one in reversed(made)]
    first = answer.json()["results"][0]
    assert first == {
        "id": made[2].pk,
        "account": "berlin",
        "type": "booking_confirmed",
        "title": "Your session is confirmed",
        "message": "See you soon.",
        "action_url": "/bookings/7",
        "data": {"booking": 7},
        "read_at": None,
        "created_at": first["created_at"],
        "updated_at": first["updated_at"],
    }
    assert staff.get(f"{MINE}{made[0].pk}/").json()["id"] == made[0].pk


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("query", "expected"), [("", 3), ("?unread=true", 3), ("?type=booking_confirmed", 3)])
def test_the_list_takes_a_fixed_number_of_statements(
    staff: ApiClient, member: Any, account: Account, count: int, query: str, expected: int, statements: Any
) -> None:
    NotificationFactory.create_batch(count, account=account, user=member)
    staff.get(MINE + query)

    with statements() as made:
        assert len(ids(staff.get(MINE + query))) == count
    assert len(made()) == expected


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_of_a_person_takes_a_fixed_number_of_statements(
    customer: ApiClient, person: Any, account: Account, count: int, statements: Any
) -> None:
    NotificationFactory.create_batch(count, account=account, user=person.user)
    customer.get(OWN)

    with statements() as made:
        assert len(ids(customer.get(OWN))) == count
    assert len(made()) == 4


def test_filters(staff: ApiClient, member: Any, account: Account) -> None:
    read = NotificationFactory(account=account, user=member, read_at=timezone.now())
    other = NotificationFactory(account=account, user=member, kind=Kind.PAYMENT_FAILED)

    assert ids(staff.get(f"{MINE}?unread=true")) == [other.pk]
    assert ids(staff.get(f"{MINE}?unread=false")) == [read.pk]
    assert ids(staff.get(f"{MINE}?type=payment_failed")) == [other.pk]
    assert ids(staff.get(f"{MINE}?type=payment_failed&unread=false")) == []
    assert [staff.get(f"{MINE}?{wrong}").status_code for wrong in ("unread=1", "type=nothing", "read=true", "ordering=title")] == [400] * 4


def test_pages(staff: ApiClient, member: Any, account: Account) -> None:
    made = [one.pk for one in NotificationFactory.create_batch(5, account=account, user=member)]
    first = staff.get(f"{MINE}?page_size=2").json()
    second = staff.get(first["next"]).json()
    unread = staff.get(f"{MINE}?page_size=2&unread=true").json()
    assert [one["id"] for one in first["results"] + second["results"]] == made[:0:-1]
    assert ids(staff.get(unread["next"])) == made[2:0:-1]


def test_a_person_reads_what_all_their_businesses_told_them(
    customer: ApiClient, person: Any, account: Account, other_account: Account
) -> None:
    here = NotificationFactory(account=account, user=person.user)
    there = NotificationFactory(account=other_account, user=person.user)
    NotificationFactory(account=account)

    assert ids(customer.get(OWN)) == [there.pk, here.pk]
    assert ids(customer.get(f"{OWN}?account=berlin")) == [here.pk]
    assert ids(customer.get(f"{OWN}?unread=true&account=new-york")) == [there.pk]
    assert customer.get(f"{OWN}{there.pk}/").json()["account"] == "new-york"
    assert customer.get(f"{OWN}unread-count/").json() == {"count": 2, "is_capped": False}


# -- reading


@pytest.mark.parametrize("door", ["staff", "customer"])
def test_reading_one_is_written_once(door: str, staff: ApiClient, customer: ApiClient, member: Any, person: Any, account: Account) -> None:
    client, user, path = (staff, member, MINE) if door == "staff" else (customer, person.user, OWN)
    mine, foreign = NotificationFactory(account=account, user=user), NotificationFactory(account=account)

    first = client.post(f"{path}{mine.pk}/read/")
    again = client.post(f"{path}{mine.pk}/read/")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["read_at"] is not None
    assert again.json()["read_at"] == first.json()["read_at"]
    assert client.post(f"{path}{foreign.pk}/read/").status_code == 404
    assert client.post(f"{path}{mine.pk}/read/", {"read_at": None}).json()["error"] == "unknown_field"
    assert client.get(f"{path}unread-count/").json() == {"count": 0, "is_capped": False}


def test_reading_all(staff: ApiClient, customer: ApiClient, member: Any, person: Any, account: Account, other_account: Account) -> None:
    NotificationFactory.create_batch(2, account=account, user=member)
    foreign = NotificationFactory(account=account)
    elsewhere = NotificationFactory(account=other_account, user=member)
    for one in (account, other_account):
        NotificationFactory.create_batch(2, account=one, user=person.user)

    assert staff.post(f"{MINE}read-all/").json() == {"count": 2}
    assert staff.post(f"{MINE}read-all/").json() == {"count": 0}
    assert customer.post(f"{OWN}read-all/?account=berlin").json() == {"count": 2}
    assert customer.post(f"{OWN}read-all/").json() == {"count": 2}
    with platform_scope("test"):
        assert set(Notification._base_manager.filter(read_at=None).values_list("pk", flat=True)) == {foreign.pk, elsewhere.pk}


@pytest.mark.parametrize("door", ["staff", "customer"])
def test_deleting(door: str, staff: ApiClient, customer: ApiClient, member: Any, person: Any, account: Account) -> None:
    client, user, path = (staff, member, MINE) if door == "staff" else (customer, person.user, OWN)
    mine, foreign = NotificationFactory(account=account, user=user), NotificationFactory(account=account)

    assert client.delete(f"{path}{mine.pk}/").status_code == 204
    assert client.delete(f"{path}{mine.pk}/").status_code == 404
    assert client.delete(f"{path}{foreign.pk}/").status_code == 404
    with account_scope(account):
        assert list(Notification.objects.values_list("pk", flat=True)) == [foreign.pk]


def test_the_count_of_unread_ones_is_capped(staff: ApiClient, member: Any, account: Account) -> None:
    with account_scope(account):
        rows = [
            Notification(account=account, user=member, key=f"k{n}", kind=Kind.ORDER_PLACED, title="t", message="m") for n in range(1001)
        ]
        Notification.objects.bulk_create(rows[:1000])
        assert staff.get(f"{MINE}unread-count/").json() == {"count": 1000, "is_capped": False}
        Notification.objects.bulk_create(rows[1000:])
    assert staff.get(f"{MINE}unread-count/").json() == {"count": 1000, "is_capped": True}


def test_the_count_and_the_first_page_do_not_scan(member: Any, account: Account, other_account: Account, statements: Any) -> None:
    """20,000 rows of other people; the plans go through the indexes of one's own."""
    staff = ApiClient(token_for(member))
    reader = UserFactory()
    with platform_scope("test"), connection.cursor() as cursor:
        for user_id, unread, count in ((reader.pk, True, 20_000), (member.pk, False, 3000), (member.pk, True, 5)):
            cursor.execute(
                "INSERT INTO notifications_notification (account_id, user_id, key, kind, title, message, action_url, data, read_at)"
                " SELECT %s, %s, %s || n, 'order_placed', 't', 'm', '', '{}', CASE WHEN %s THEN NULL ELSE now() END"
                " FROM generate_series(1, %s) AS n",
                [account.pk, user_id, f"{unread}:", unread, count],
            )
        cursor.execute("ANALYZE notifications_notification")
    plans = {}
    for name, path in (("count", f"{MINE}unread-count/"), ("page", MINE), ("unread", f"{MINE}?unread=true")):
        with statements() as made:
            assert staff.get(path).status_code == 200
        sql = next(one for one in made() if "notifications_notification" in one and one.startswith("SELECT"))
        with account_scope(account), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plans[name] = "\n".join(line for (line,) in cursor.fetchall())
    assert "notifications_notification_new" in plans["count"], plans["count"]
    assert "notifications_notification_new" in plans["unread"], plans["unread"]
    assert "Index" in plans["page"], plans["page"]
    assert not [plan for plan in plans.values() if "Seq Scan on notifications" in plan or "Sort" in plan], plans


def test_who_leaves_takes_nothing_along(account: Account) -> None:
    boss, gone = MembershipFactory(account=account, role=Role.OWNER), MembershipFactory(account=account, role=Role.FRONT_DESK)
    both = MembershipFactory(account=account, role=Role.FRONT_DESK)
    ClientFactory(account=account, customer=CustomerFactory(user=both.user))
    for one in (boss, gone, both):
        NotificationFactory(account=account, user=one.user)
    with account_scope(account):
        for one in (gone, both):
            with acting(boss.user_id, "staff"):
                remove_member(one, by=boss)
        for event in Event.objects.filter(type="membership.removed"):
            forget_what_a_member_was_told(event)
        left = set(Notification.objects.values_list("user_id", flat=True))

    assert left == {boss.user_id, both.user_id}


# -- preferences


@pytest.mark.parametrize("door", ["staff", "customer"])
def test_preferences(door: str, staff: ApiClient, customer: ApiClient, member: Any, person: Any) -> None:
    client, user, path = (staff, member, MINE) if door == "staff" else (customer, person.user, OWN)
    path += "preferences/"

    before = {one["type"]: one for one in client.get(path).json()["preferences"]}
    assert set(before) == set(Kind.values)
    assert before["booking_confirmed"] == {"type": "booking_confirmed", "in_app": True, "email": True, "sms": False}
    assert before["review_replied"]["email"] is False
    assert before["booking_reminder"]["sms"] is True

    change = {"preferences": [{"type": "booking_confirmed", "email": False}, {"type": "payment_failed", "sms": True, "in_app": False}]}
    answer = client.patch(path, change)

    after = {one["type"]: one for one in answer.json()["preferences"]}
    assert answer.status_code == 200
    assert after["booking_confirmed"] == {"type": "booking_confirmed", "in_app": True, "email": False, "sms": False}
    assert after["payment_failed"] == {"type": "payment_failed", "in_app": False, "email": True, "sms": True}
    assert client.get(path).json() == answer.json()
    assert set(Preference.objects.values_list("user_id", flat=True)) == {user.pk}
    client.patch(path, {"preferences": [{"type": "booking_confirmed", "email": True}]})
    assert Preference.objects.get(kind="booking_confirmed", channel="email").is_enabled


@pytest.mark.parametrize(
    "body",
    [
        {"preferences": [{"type": "nothing", "email": True}]},
        {"preferences": [{"type": "order_placed", "post": True}]},
        {"preferences": [{"type": "order_placed", "email": "perhaps"}]},
        {"preferences": "all"},
        {"order_placed": False},
        {},
    ],
)
def test_preferences_that_make_no_sense_are_refused(staff: ApiClient, body: Any) -> None:
    assert staff.patch(f"{MINE}preferences/", body).status_code == 400
    assert not Preference.objects.exists()


# -- deliveries


def test_deliveries_are_read_and_tried_again_by_managers(owner: ApiClient, staff: ApiClient, account: Account) -> None:
    failed = DeliveryFactory(account=account, state=Delivery.State.FAILED, next_attempt_at=None, attempts=8, error="recipient refused: 550")
    sent = DeliveryFactory(account=account, state=Delivery.State.SENT, next_attempt_at=None, sent_at=timezone.now())

    assert staff.get("/api/deliveries/").status_code == 403
    assert ids(owner.get("/api/deliveries/?state=failed")) == [failed.pk]
    assert ids(owner.get(f"/api/deliveries/?client={sent.client_id}&channel=email&type=booking_confirmed")) == [sent.pk]
    shown = owner.get(f"/api/deliveries/{failed.pk}/").json()
    assert (shown["state"], shown["last_error"], shown["address"]) == ("failed", "recipient refused: 550", failed.address)
    assert not {"text", "html", "attachments"} & set(shown)

    again = owner.post(f"/api/deliveries/{failed.pk}/retry/")
    assert (again.status_code, again.json()["state"], again.json()["attempts"]) == (200, "pending", 0)
    assert owner.post(f"/api/deliveries/{sent.pk}/retry/").json()["error"] == "invalid_transition"


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_of_deliveries_takes_a_fixed_number_of_statements(owner: ApiClient, account: Account, count: int, statements: Any) -> None:
    DeliveryFactory.create_batch(count, account=account)
    owner.get("/api/deliveries/")

    with statements() as made:
        assert len(ids(owner.get("/api/deliveries/"))) == count
    assert len(made()) == 3


# -- the sender

SENDER = "/api/sender-identity/"
TWILIO = {"sms_provider": "twilio", "sms_sender": "+4930123456", "sms_credentials": {"account_sid": "AC1", "auth_token": "very-secret"}}


def test_the_sender_is_chosen_by_owners_and_secrets_stay_inside(owner: ApiClient, client_as: Any, account: Account) -> None:
    nothing = {"sender_name": "", "reply_to": "", "sms_provider": "", "sms_sender": "", "has_sms_credentials": False}
    assert owner.get(SENDER).json() == nothing
    assert client_as(Role.MANAGER).patch(SENDER, {"sender_name": "X"}).status_code == 403

    answer = owner.patch(SENDER, {"sender_name": "Salón", "reply_to": "hello@studio.example", **TWILIO})

    assert answer.status_code == 200
    expected = {**nothing, "sender_name": "Salón", "reply_to": "hello@studio.example", "has_sms_credentials": True}
    assert answer.json() == {**expected, "sms_provider": "twilio", "sms_sender": "+4930123456"}
    assert client_as(Role.MANAGER).get(SENDER).json() == answer.json()
    with account_scope(account):
        row = SenderIdentity.objects.get()
        assert take_out(row.sms_credentials) == TWILIO["sms_credentials"]
        told = Event.objects.get(type="sender_identity.changed").changes
    assert told["sms_credentials"] == [[], ["account_sid", "auth_token"]]
    assert "very-secret" not in f"{answer.content!r}{row.sms_credentials}{told}"

    assert owner.patch(SENDER, {"sms_provider": "console"}).json()["has_sms_credentials"] is False
    assert owner.patch(SENDER, {"sender_name": ""}).json()["sender_name"] == ""


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"sender_name": "a\r\nBcc: b"}, "sender_name"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"sms_provider": "pigeon"}, "sms_provider"),
        ({"sms_provider": "twilio", "sms_sender": "+4930123456"}, "sms_credentials"),
        ({**TWILIO, "sms_credentials": {"account_sid": "AC1"}}, "sms_credentials"),
        ({**TWILIO, "sms_credentials": {"password": "x"}}, "sms_credentials"),
        ({**TWILIO, "sms_sender": "+12"}, "sms_sender"),
        ({"sms_provider": "console"}, "sms_sender"),
        ({"account": 7}, "account"),
    ],
)
def test_a_sender_that_cannot_be_is_refused(owner: ApiClient, account: Account, fields: dict[str, Any], where: str) -> None:
    answer = owner.patch(SENDER, fields)

    assert answer.status_code == 400
    assert where in answer.json()["fields"]
    with account_scope(account):
        assert not SenderIdentity.objects.exists()


# -- the person's own clock


def test_a_person_chooses_their_zone(customer: ApiClient, person: Any) -> None:
    assert customer.get("/api/customer/me/").json()["timezone"] == ""
    assert customer.patch("/api/customer/me/", {"timezone": "America/New_York"}).json()["timezone"] == "America/New_York"
    assert customer.patch("/api/customer/me/", {"timezone": "Mars/Olympus"}).json()["fields"]["timezone"]
    assert customer.get("/api/me/").json()["timezone"] == "America/New_York"
    assert customer.patch("/api/customer/me/", {"timezone": ""}).json()["timezone"] == ""
    person.user.refresh_from_db()
    assert person.user.timezone == ""


def test_who_works_here_chooses_language_and_zone_without_a_profile(staff: ApiClient, member: Any) -> None:
    assert staff.patch("/api/me/", {"language": "es", "timezone": "Europe/Madrid"}).json()["timezone"] == "Europe/Madrid"
    member.refresh_from_db()
    assert (member.language, member.timezone) == ("es", "Europe/Madrid")
    assert staff.patch("/api/me/", {"timezone": ""}).json()["language"] == "es"
    for wrong in ({"language": "xx"}, {"timezone": "Mars"}, {"email": "else@example.test"}, {"is_staff": True}):
        assert staff.patch("/api/me/", wrong).status_code == 400


# -- invariants


def test_the_doctor_finds_what_is_wrong(account: Account) -> None:
    stranger = UserFactory()
    NotificationFactory(account=account, user=stranger)
    late = DeliveryFactory(account=account, next_attempt_at=timezone.now() - timezone.timedelta(hours=2))
    with platform_scope("test"):
        found = {one.code: one.find() for one in invariants() if one.code.startswith("I81")}
    assert [len(found[code]) for code in ("I81.due", "I81.readers", "I81.once")] == [1, 1, 0]
    assert found["I81.due"] == [(late.pk,)]
    assert late.channel == Channel.EMAIL
