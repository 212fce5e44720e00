"""/api/weekly-hours/, /api/date-overrides/ and /api/time-off/."""

from datetime import date

import pytest

from apps.core.tenancy import account_scope
from factories.catalog import PractitionerFactory
from factories.scheduling import DateOverrideFactory, TimeOffFactory, WeeklyHoursFactory


@pytest.fixture
def kim(account):
    return PractitionerFactory(account=account, display_name="Kim")


def refused(response, field):
    body = response.json()
    assert (response.status_code, body["error"]) == (400, "validation_error"), body
    assert {name.split(".")[0] for name in body["fields"]} == {field}
    return body["fields"]


def listed(response, name="id"):
    assert response.status_code == 200, response.json()
    return [row[name] for row in response.json()["results"]]


# -- weekly hours


def test_create_weekly_hours(owner, kim):
    response = owner.post("/api/weekly-hours/", {"practitioner": kim.pk, "weekday": 0, "start": "09:00", "end": "17:30"})

    assert response.status_code == 201
    body = response.json()
    assert (body.pop("created_at"), body.pop("updated_at")) != (None, None)
    assert body == {
        "id": body["id"],
        "practitioner": kim.pk,
        "weekday": 0,
        "start": "09:00",
        "end": "17:30",
        "valid_from": None,
        "valid_to": None,
        "every_weeks": 1,
        "anchor": None,
        "priority": 0,
    }


def test_create_weekly_hours_with_everything(owner, kim):
    sent = {
        "practitioner": kim.pk,
        "weekday": 6,
        "start": "22:00",
        "end": "02:00",
        "valid_from": "2027-01-04",
        "valid_to": "2027-12-31",
        "every_weeks": 2,
        "anchor": "2027-01-04",
        "priority": -1,
    }

    body = owner.post("/api/weekly-hours/", sent).json()

    assert {name: body[name] for name in sent} == sent
    assert owner.get("/api/weekly-hours/").json()["results"] == [body]


@pytest.mark.parametrize("end", ["00:00", "09:00"])
def test_hours_may_end_at_midnight_or_after_a_whole_day(owner, kim, end):
    sent = {"practitioner": kim.pk, "weekday": 0, "start": "09:00", "end": end}

    assert owner.post("/api/weekly-hours/", sent).json()["end"] == end


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weekday", -1),
        ("weekday", 7),
        ("weekday", "monday"),
        ("weekday", True),
        ("weekday", 1.0),
        ("weekday", "٣"),
        ("weekday", None),
        ("start", "9:00"),
        ("start", "09:00:00"),
        ("start", "24:00"),
        ("start", "09:60"),
        ("start", "١٩:٣٢"),
        ("start", "9am"),
        ("start", 900),
        ("start", ""),
        ("end", None),
        ("end", "17.30"),
        ("end", "17:30Z"),
        ("valid_from", "04.01.2027"),
        ("valid_from", "20270104"),
        ("valid_from", "2027-W01-1"),
        ("valid_from", "2027-02-29"),
        ("valid_from", "0001-01-01"),
        ("valid_from", "2027-01-04T00:00:00Z"),
        ("valid_to", "9999-12-31"),
        ("every_weeks", 0),
        ("every_weeks", 53),
        ("priority", "high"),
        ("priority", 2**31),
        ("practitioner", None),
        ("practitioner", "kim"),
        ("practitioner", 999_999_999),
    ],
)
def test_create_weekly_hours_refuses_bad_values(owner, kim, field, value):
    sent = {"practitioner": kim.pk, "weekday": 0, "start": "09:00", "end": "17:00", field: value}

    refused(owner.post("/api/weekly-hours/", sent), field)
    assert listed(owner.get("/api/weekly-hours/")) == []


def test_a_rhythm_needs_an_anchor_and_a_validity_an_order(owner, account, kim):
    hours = WeeklyHoursFactory(account=account, practitioner=kim, valid_from=date(2027, 1, 4))
    sent = {"practitioner": kim.pk, "weekday": 0, "start": "09:00", "end": "17:00"}

    refused(owner.post("/api/weekly-hours/", {**sent, "every_weeks": 2}), "anchor")
    refused(owner.post("/api/weekly-hours/", {**sent, "valid_from": "2027-02-01", "valid_to": "2027-01-31"}), "valid_to")
    refused(owner.patch(f"/api/weekly-hours/{hours.pk}/", {"every_weeks": 2}), "anchor")
    refused(owner.patch(f"/api/weekly-hours/{hours.pk}/", {"valid_to": "2027-01-03"}), "valid_to")
    assert owner.patch(f"/api/weekly-hours/{hours.pk}/", {"every_weeks": 2, "anchor": "2027-01-04"}).status_code == 200
    assert owner.patch(f"/api/weekly-hours/{hours.pk}/", {"valid_to": "2027-01-04"}).status_code == 200
    refused(owner.patch(f"/api/weekly-hours/{hours.pk}/", {"anchor": None}), "anchor")


# -- date overrides


def test_create_date_override(owner, kim):
    closed = owner.post("/api/date-overrides/", {"practitioner": kim.pk, "date": "2027-12-24"})
    extra = owner.post(
        "/api/date-overrides/",
        {
            "practitioner": kim.pk,
            "date": "2027-12-24",
            "adds": True,
            "windows": [{"start": "20:00", "end": "01:00"}, {"start": "08:00", "end": "09:00"}],
        },
    )

    assert (closed.status_code, extra.status_code) == (201, 201)
    body = closed.json()
    assert (body.pop("created_at"), body.pop("updated_at")) != (None, None)
    assert body == {"id": body["id"], "practitioner": kim.pk, "date": "2027-12-24", "windows": [], "adds": False}
    assert extra.json()["windows"] == [{"start": "20:00", "end": "01:00"}, {"start": "08:00", "end": "09:00"}]
    assert owner.get(f"/api/date-overrides/{extra.json()['id']}/").json() == extra.json()


def test_a_date_has_one_override_of_a_kind(owner, account, kim):
    DateOverrideFactory(account=account, practitioner=kim, date=date(2027, 12, 24))

    again = owner.post("/api/date-overrides/", {"practitioner": kim.pk, "date": "2027-12-24"})

    message = ["There is an override of this kind for this date already."]
    assert again.json()["fields"] == {"practitioner": message, "date": message, "adds": message}


@pytest.mark.parametrize(
    "windows",
    [
        None,
        {},
        "closed",
        [None],
        ["09:00-17:00"],
        [{"start": "09:00"}],
        [{"start": "9:00", "end": "17:00"}],
        [{"start": "09:00", "end": "24:00"}],
        [{"start": "09:00", "end": "12:00"}, {"start": "11:59", "end": "13:00"}],
        [{"start": "22:00", "end": "02:00"}, {"start": "23:00", "end": "23:30"}],
        [{"start": "09:00", "end": "09:00"}, {"start": "10:00", "end": "11:00"}],
        [{"start": f"{n // 2:02}:{n % 2 * 30:02}", "end": f"{n // 2:02}:{n % 2 * 30 + 15:02}"} for n in range(25)],
    ],
)
def test_windows_have_one_shape(owner, kim, windows):
    refused(owner.post("/api/date-overrides/", {"practitioner": kim.pk, "date": "2027-12-24", "windows": windows}), "windows")


def test_windows_may_touch(owner, kim):
    windows = [{"start": "12:00", "end": "13:00"}, {"start": "09:00", "end": "12:00"}]

    body = owner.post("/api/date-overrides/", {"practitioner": kim.pk, "date": "2027-12-24", "windows": windows}).json()

    assert body["windows"] == windows


def test_windows_take_no_other_keys(owner, kim):
    windows = [{"start": "09:00", "end": "12:00", "room": 3}]

    response = owner.post("/api/date-overrides/", {"practitioner": kim.pk, "date": "2027-12-24", "windows": windows})

    assert (response.status_code, response.json()["error"]) == (400, "unknown_field")
    assert list(response.json()["fields"]) == ["windows.0.room"]


def test_overrides_are_filtered_by_practitioner_and_dates(owner, account, kim):
    first, second, third = (DateOverrideFactory(account=account, practitioner=kim, date=date(2027, 1, day)) for day in (4, 5, 6))
    other = DateOverrideFactory(account=account, date=date(2027, 1, 5))

    for query, expected in (
        ("from=2027-01-05", [second.pk, third.pk, other.pk]),
        ("to=2027-01-05", [first.pk]),
        ("from=2027-01-04&to=2027-01-06", [first.pk, second.pk, other.pk]),
        (f"from=2027-01-05&to=2027-01-06&practitioner={kim.pk}", [second.pk]),
    ):
        assert sorted(listed(owner.get(f"/api/date-overrides/?{query}"))) == sorted(expected)
    refused(owner.get("/api/date-overrides/?from=2027-01-05T00:00:00Z"), "from")


# -- time off


def test_create_time_off(owner, kim):
    sent = {"practitioner": kim.pk, "starts_at": "2027-01-04T09:00:00+01:00", "ends_at": "2027-01-04T12:30:00Z", "reason": " Dentist "}

    response = owner.post("/api/time-off/", sent)

    assert response.status_code == 201
    body = response.json()
    assert (body.pop("created_at"), body.pop("updated_at")) != (None, None)
    assert body == {
        "id": body["id"],
        "practitioner": kim.pk,
        "starts_at": "2027-01-04T08:00:00Z",
        "ends_at": "2027-01-04T12:30:00Z",
        "reason": "Dentist",
    }


@pytest.mark.parametrize("sent", [{}, {"practitioner": None}])
def test_time_off_without_a_practitioner_is_for_everybody(owner, sent):
    response = owner.post("/api/time-off/", {**sent, "starts_at": "2027-01-04T00:00:00Z", "ends_at": "2027-01-05T00:00:00Z"})

    assert (response.status_code, response.json()["practitioner"], response.json()["reason"]) == (201, None, "")


@pytest.mark.parametrize("field", ["starts_at", "ends_at"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2027-01-04T09:00:00", "This time has no offset. Add Z or an offset such as +01:00."),
        ("2027-01-04T09:00", "This time has no offset. Add Z or an offset such as +01:00."),
        ("2027-01-04", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        ("2027-01-04T09:00:00 01:00", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        ("2027-02-29T09:00:00Z", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        ("2027-01-04T24:00:01Z", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        ("2027-01-04T09:00:60Z", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        ("2027-01-04T09:00:00+25:00", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        ("2027-01-04T09:00:00 Europe/Berlin", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        ("٢٠٢٧-01-04T09:00:00Z", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        (1799053200, "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        ("", "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."),
        (None, "This field may not be null."),
        ("0001-01-01T00:00:00+14:00", "The year must lie between 1900 and 2200."),
        ("9999-12-31T23:59:59-14:00", "The year must lie between 1900 and 2200."),
    ],
)
def test_instants_need_an_offset_and_a_sensible_year(owner, field, value, message):
    sent = {"starts_at": "2027-01-01T00:00:00Z", "ends_at": "2027-02-01T00:00:00Z", field: value}

    assert refused(owner.post("/api/time-off/", sent), field) == {field: [message]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2027-01-04T09:00Z", "2027-01-04T09:00:00Z"),
        ("2027-01-04 09:00:00Z", "2027-01-04T09:00:00Z"),
        ("2027-01-04t09:00:00z", "2027-01-04T09:00:00Z"),
        ("2027-01-04T09:00:00.250-05:30", "2027-01-04T14:30:00.250000Z"),
        ("2027-01-04T09:00:00-00:00", "2027-01-04T09:00:00Z"),
    ],
)
def test_instants_are_shown_in_utc(owner, text, shown):
    response = owner.post("/api/time-off/", {"starts_at": text, "ends_at": "2027-02-01T00:00:00Z"})

    assert response.json()["starts_at"] == shown


def test_time_off_ends_after_it_starts(owner, account):
    span = TimeOffFactory(account=account)  # 4 to 5 January 2027
    same = "2027-01-04T10:00:00Z"

    refused(owner.post("/api/time-off/", {"starts_at": same, "ends_at": "2027-01-04T11:00:00+01:00"}), "ends_at")
    refused(owner.patch(f"/api/time-off/{span.pk}/", {"ends_at": "2027-01-04T00:00:00Z"}), "ends_at")
    refused(owner.patch(f"/api/time-off/{span.pk}/", {"starts_at": "2027-01-05T00:00:00Z"}), "ends_at")
    assert owner.patch(f"/api/time-off/{span.pk}/", {"starts_at": same}).json()["starts_at"] == same


def test_time_off_is_filtered_by_what_it_touches(owner, other_owner, account, other_account, kim):
    mine = TimeOffFactory(account=account, practitioner=kim)  # all of 4 January 2027 in UTC, in Berlin from 01:00 to 01:00
    everybody = TimeOffFactory(account=account)
    elsewhere = TimeOffFactory(account=other_account)  # in New York from 3 January, 19:00, to 4 January, 19:00

    def found(caller, query):
        return sorted(listed(caller.get("/api/time-off/", query)))

    both = sorted([mine.pk, everybody.pk])
    assert found(owner, {}) == both
    assert found(owner, {"practitioner": kim.pk}) == [mine.pk]
    assert found(owner, {"from": "2027-01-05T00:00:00Z"}) == []
    assert found(owner, {"from": "2027-01-04T23:59:59Z"}) == both
    assert found(owner, {"to": "2027-01-04T00:00:00Z"}) == []
    assert found(owner, {"to": "2027-01-04T01:00:01+01:00"}) == both
    assert found(owner, {"from": "2027-01-04", "to": "2027-01-05"}) == both
    assert found(owner, {"from": "2027-01-05"}) == both
    assert found(owner, {"from": "2027-01-06"}) == []
    assert found(owner, {"to": "2027-01-04"}) == []
    assert found(other_owner, {"to": "2027-01-04"}) == [elsewhere.pk]
    assert found(other_owner, {"from": "2027-01-05"}) == []
    refused(owner.get("/api/time-off/", {"from": "2027-01-04T09:00:00"}), "from")
    refused(owner.get("/api/time-off/", {"to": "tomorrow"}), "to")


# -- all three

RESOURCES = {"weekly-hours": WeeklyHoursFactory, "date-overrides": DateOverrideFactory, "time-off": TimeOffFactory}
VALID = {
    "weekly-hours": {"weekday": 0, "start": "09:00", "end": "17:00"},
    "date-overrides": {"date": "2027-12-24"},
    "time-off": {"starts_at": "2027-01-04T00:00:00Z", "ends_at": "2027-01-05T00:00:00Z"},
}


@pytest.mark.parametrize("path", RESOURCES)
def test_practitioners_of_another_account_do_not_exist(owner, account, other_account, kim, path):
    foreign = PractitionerFactory(account=other_account)
    RESOURCES[path](account=other_account, practitioner=foreign)
    mine = RESOURCES[path](account=account, practitioner=kim)
    missing = {"practitioner": [f'Invalid pk "{foreign.pk}" - object does not exist.']}

    assert refused(owner.post(f"/api/{path}/", {**VALID[path], "practitioner": foreign.pk}), "practitioner") == missing
    assert refused(owner.patch(f"/api/{path}/{mine.pk}/", {"practitioner": foreign.pk}), "practitioner") == missing
    assert refused(owner.get(f"/api/{path}/?practitioner={foreign.pk}"), "practitioner") == missing
    assert listed(owner.get(f"/api/{path}/?practitioner={kim.pk}")) == [mine.pk]


@pytest.mark.parametrize("path", RESOURCES)
def test_rows_of_another_account_are_not_found(owner, other_account, path):
    foreign = RESOURCES[path](account=other_account)

    for method in ("get", "patch", "delete"):
        assert getattr(owner, method)(f"/api/{path}/{foreign.pk}/").status_code == 404
    assert listed(owner.get(f"/api/{path}/")) == []
    with account_scope(other_account):
        foreign.refresh_from_db()


@pytest.mark.parametrize("path", RESOURCES)
def test_unknown_filters_and_fields_are_refused(owner, kim, path):
    for response in (
        owner.get(f"/api/{path}/?is_active=true"),
        owner.get(f"/api/{path}/?search=x"),
        owner.post(f"/api/{path}/", {**VALID[path], "practitioner": kim.pk, "account": 1}),
    ):
        assert (response.status_code, response.json()["error"]) == (400, "unknown_field")


@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize(
    ("role", "read", "write"),
    [
        ("owner", 200, 204),
        ("manager", 200, 204),
        ("front_desk", 200, 403),
        ("practitioner", 200, 403),
        ("bookkeeper", 200, 403),
        (None, 401, 401),
    ],
)
def test_who_may_change_working_time(client_as, account, kim, path, role, read, write):
    row = RESOURCES[path](account=account)
    caller = client_as(role)

    assert caller.get(f"/api/{path}/").status_code == read
    assert caller.post(f"/api/{path}/", {**VALID[path], "practitioner": kim.pk}).status_code == (201 if write == 204 else write)
    assert caller.patch(f"/api/{path}/{row.pk}/", {}).status_code == (200 if write == 204 else write)
    assert caller.delete(f"/api/{path}/{row.pk}/").status_code == write


@pytest.mark.parametrize(("path", "query", "expected"), [
    ("weekly-hours", "", 3),  # token, membership, rows
    ("date-overrides", "?from=2027-01-01&to=2028-01-01", 3),
    ("time-off", "?from=2027-01-01&to=2028-01-01", 3),
    ("time-off", "?practitioner={practitioner}", 4),  # and the practitioner of the filter
])  # fmt: skip
@pytest.mark.parametrize("count", [1, 3])
def test_lists_take_a_fixed_number_of_statements(owner, account, kim, statements, path, query, expected, count):
    for i in range(count):
        varied = {"date": date(2027, 1, 4 + i)} if path == "date-overrides" else {}
        RESOURCES[path](account=account, practitioner=kim, **varied)

    with statements() as made:
        response = owner.get(f"/api/{path}/{query.format(practitioner=kim.pk)}")

    assert len(response.json()["results"]) == count
    assert len(made()) == expected
