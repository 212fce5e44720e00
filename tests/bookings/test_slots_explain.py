"""slots/ over HTTP with explain=, client= and booking=."""

from datetime import date

import pytest

from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.scheduling import DateOverrideFactory, TimeOffFactory, WeeklyHoursFactory
from tests.bookings.api.test_slots import MONDAY, _saturday, hours, starts
from tests.studio import MONDAY_TEN

__all__ = ["_saturday"]
pytestmark = pytest.mark.usefixtures("_saturday")


def explained(owner, studio, instant, **more):
    query = "".join(f"&{key}={value}" for key, value in more.items())
    response = owner.get(f"/api/slots/?service={studio.service.pk}&explain={instant}{query}")
    assert response.status_code == 200, response.content
    return response.json()


def rules(body):
    return [(reason["code"], reason["rule"]) for reason in body["reasons"]]


def test_explain_a_bookable_start(owner, studio):
    body = explained(owner, studio, "2026-11-23T09:00:00Z")

    assert (body["timezone"], body["bookable"], body["reasons"]) == ("Europe/Berlin", True, [])
    assert explained(owner, studio, "2026-11-23T10:00:00%2B01:00") == body
    assert explained(owner, studio, "2026-11-23T10:00:00+01:00") == body  # an unescaped plus sign arrives as a space


def test_explain_names_the_nearest_starts(owner, studio):
    body = explained(owner, studio, "2026-11-23T08:10:00Z")

    assert (body["bookable"], rules(body)) == (False, [("outside_hours", "slot_step")])
    assert [slot["start"][:16] for slot in body["nearest"]] == [
        "2026-11-23T09:00",
        "2026-11-23T10:00",
        "2026-11-23T11:00",
        "2026-11-23T12:00",
        "2026-11-23T13:00",
    ]
    assert body["nearest"] == owner.get(f"/api/slots/?service={studio.service.pk}&{MONDAY}").json()["slots"][:5]


def test_explain_names_the_rule_behind_closed_hours(owner, studio):
    account, practitioner = studio.account, studio.practitioner
    DateOverrideFactory(account=account, practitioner=practitioner, date=date(2026, 11, 24))
    DateOverrideFactory(account=account, practitioner=practitioner, date=date(2026, 11, 25), windows=[{"start": "12:00", "end": "14:00"}])
    day = ("2026-11-26T00:00:00+01:00", "2026-11-27T00:00:00+01:00")
    off = TimeOffFactory(account=account, practitioner=practitioner, starts_at=day[0], ends_at=day[1], reason="Dentist")
    closed = TimeOffFactory(account=account, starts_at=day[0], ends_at=day[1])

    def why(instant):
        return rules(explained(owner, studio, instant))

    assert why("2026-11-22T10:00:00Z") == [("outside_hours", "weekly_hours")]
    assert why("2026-11-23T15:30:00Z") == [("outside_hours", "weekly_hours")]  # would end after closing
    assert why("2026-11-24T10:00:00Z") == [("outside_hours", "date_override:2026-11-24")]
    assert why("2026-11-25T10:00:00Z") == [("outside_hours", "date_override:2026-11-25")]
    assert sorted(why("2026-11-26T10:00:00Z")) == sorted(
        [("outside_hours", f"time_off:{off.pk}"), ("outside_hours", f"closure:{closed.pk}")]
    )
    assert "Dentist" not in str(explained(owner, studio, "2026-11-26T10:00:00Z"))
    with account_scope(account):
        practitioner.weekly_hours.all().delete()
    assert why("2026-11-23T10:00:00Z") == [("outside_hours", "no_weekly_hours")]


def test_explain_tells_a_booking_from_a_buffer_and_from_a_full_class(owner, make_studio, account):
    studio = make_studio(account, buffer_after_minutes=15, slot_step_minutes=15)
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)

    def why(instant, **more):
        return rules(explained(owner, studio, instant, **more))

    assert why("2026-11-23T09:30:00Z") == [("slot_taken", "booking")]
    assert why("2026-11-23T10:00:00Z") == [("slot_taken", "buffer")]
    assert why("2026-11-23T08:00:00Z") == [("slot_taken", "buffer")]
    assert why("2026-11-23T10:15:00Z") == []
    assert studio.client.full_name not in str(explained(owner, studio, "2026-11-23T09:30:00Z"))
    with account_scope(account):
        studio.practitioner.bookings.update(capacity=2)
        type(studio.service).objects.filter(pk=studio.service.pk).update(capacity=2)
    assert why("2026-11-23T09:00:00Z") == []
    assert why("2026-11-23T09:00:00Z", party=2) == [("slot_taken", "seats")]
    assert why("2026-11-23T09:15:00Z") == [("slot_taken", "booking")]


def test_explain_lists_every_reason_in_the_order_of_acceptance(owner, make_studio, account):
    studio = make_studio(account, min_notice_minutes=7 * 24 * 60, horizon_days=1, season_from="2027-01-01", limits={"per_week": 1})
    with account_scope(account):
        studio.service.refresh_from_db()
    sold = studio.draft()
    body = {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat(), "override": True, "reason": "a friend"}
    assert owner.post(f"/api/bookings/{sold.pk}/schedule/", body).status_code == 200

    found = explained(owner, studio, "2026-11-23T09:30:00Z")

    assert rules(found) == [
        ("notice_too_short", "min_notice"),
        ("beyond_horizon", "horizon"),
        ("beyond_horizon", "season"),
        ("slot_taken", "booking"),
        ("outside_hours", "slot_step"),
        ("limit_reached", "service.per_week"),
    ]
    assert {reason["practitioner"] for reason in found["reasons"]} == {studio.practitioner.pk}
    assert rules(explained(owner, studio, "2020-01-06T09:00:00Z"))[0] == ("notice_too_short", "past")


def test_explain_for_anybody_is_bookable_when_one_is_free(owner, studio):
    second = OfferingFactory(account=studio.account, service=studio.service, practitioner=PractitionerFactory(account=studio.account))
    WeeklyHoursFactory(account=studio.account, practitioner=second.practitioner, weekday=0)
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)

    found = explained(owner, studio, "2026-11-23T09:00:00Z")

    assert (found["bookable"], found["reasons"]) == (
        True,
        [
            {
                "code": "slot_taken",
                "rule": "booking",
                "detail": "Another session takes place at that time.",
                "practitioner": studio.practitioner.pk,
            }
        ],
    )
    assert explained(owner, studio, "2026-11-23T09:00:00Z", practitioner=studio.practitioner.pk)["bookable"] is False


def test_explain_when_nobody_offers_the_service(owner, studio):
    service, somebody = ServiceFactory(account=studio.account), PractitionerFactory(account=studio.account)

    body = owner.get(f"/api/slots/?service={service.pk}&explain=2026-11-23T09:00:00Z").json()
    assert (body["bookable"], rules(body), body["nearest"]) == (False, [("validation_error", "not_offered")], [])
    assert rules(explained(owner, studio, "2026-11-23T09:00:00Z", practitioner=somebody.pk)) == [("validation_error", "not_offered")]


def test_explain_together_with_a_range_answers_both(owner, studio):
    body = explained(owner, studio, "2026-11-23T09:00:00Z", **{"from": "2026-11-23", "to": "2026-11-24"})

    assert (len(body["slots"]), body["bookable"]) == (8, True)


def test_a_booking_that_is_moved_finds_its_own_time_free(owner, make_studio, account):
    studio = make_studio(account, limits={"client": {"per_week": 1}})
    moved = studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN).bookings[0]

    assert "10:00" not in hours(starts(owner, studio))
    assert "10:00" in hours(starts(owner, studio, booking=moved.pk))
    assert starts(owner, studio, client=studio.client.pk) == []
    assert rules(explained(owner, studio, "2026-11-23T10:00:00Z", client=studio.client.pk)) == [("limit_reached", "client.per_week")]
    assert explained(owner, studio, "2026-11-23T09:00:00Z", booking=moved.pk)["reasons"] == []


@pytest.mark.parametrize("practitioners", [1, 3])
def test_explain_takes_a_fixed_number_of_statements(owner, studio, statements, practitioners):
    for _ in range(practitioners - 1):
        offering = OfferingFactory(account=studio.account, service=studio.service, practitioner=PractitionerFactory(account=studio.account))
        WeeklyHoursFactory(account=studio.account, practitioner=offering.practitioner)
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)

    with statements() as made:
        explained(owner, studio, "2026-11-23T09:00:00Z")

    assert len(made()) == 7, "\n".join(sql[:120] for sql in made())
