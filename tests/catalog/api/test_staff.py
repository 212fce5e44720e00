"""/api/services/, /api/practitioners/ and /api/offerings/."""

import pytest

from apps.catalog.models import Offering, Practitioner, Service
from apps.core.tenancy import account_scope
from factories.bookings import BookingFactory
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.orders import OrderFactory
from factories.packages import PackageItemFactory

SERVICE = {"name": "Massage", "duration_minutes": 60, "price_cents": 5000}
FULL_POLICY = {
    "tiers": [
        {"hours_before": 48, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 24, "fee": {"kind": "percent", "value": 50}, "session": "returned"},
        {"hours_before": 0, "fee": {"kind": "fixed", "value": 2500}, "session": "consumed"},
    ],
    "no_show": {"fee": {"kind": "percent", "value": 100}, "session": "consumed"},
    "free_moves": 2,
    "grace": {"minutes": 15, "if_hours_away": 2},
}


def refused(response, field):
    body = response.json()
    assert (response.status_code, body["error"]) == (400, "validation_error"), body
    assert {name.split(".")[0] for name in body["fields"]} == {field}
    return body["fields"]


def listed(response, name):
    assert response.status_code == 200, response.json()
    return [row[name] for row in response.json()["results"]]


# -- services


def test_create_service_fills_in_the_documented_defaults(owner, account):
    response = owner.post("/api/services/", {**SERVICE, "name": " Massage "})

    assert response.status_code == 201
    body = response.json()
    assert (body.pop("created_at"), body.pop("updated_at")) != (None, None)
    assert body == {
        "id": body["id"],
        "name": "Massage",
        "description": "",
        "category": "",
        "duration_minutes": 60,
        "price_cents": 5000,
        "currency": "EUR",
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "slot_step_minutes": None,
        "capacity": 1,
        "online_capacity": None,
        "min_attendees": 1,
        "min_attendees_hours": 24,
        "min_notice_minutes": 0,
        "horizon_days": 365,
        "horizon_in_working_days": False,
        "season_from": None,
        "season_to": None,
        "requires_approval": False,
        "tax_rate": None,
        "cancellation_policy": {},
        "limits": {},
        "is_active": True,
    }


def test_create_service_with_everything(owner):
    sent = {
        **SERVICE,
        "description": "Deep tissue",
        "category": "Body",
        "buffer_before_minutes": 5,
        "buffer_after_minutes": 10,
        "slot_step_minutes": 15,
        "capacity": 8,
        "online_capacity": 6,
        "min_attendees": 3,
        "min_attendees_hours": 48,
        "min_notice_minutes": 120,
        "horizon_days": None,
        "horizon_in_working_days": True,
        "season_from": "2027-05-01",
        "season_to": "2027-09-30",
        "requires_approval": True,
        "tax_rate": "19.00",
        "cancellation_policy": FULL_POLICY,
        "limits": {
            "per_day": 4,
            "per_week": 12,
            "per_month": 40,
            "minutes_per_day": 480,
            "minutes_per_week": 2400,
            "minutes_per_month": 9600,
            "client": {"per_week": 2, "minutes_per_month": 600},
        },
        "is_active": False,
    }

    body = owner.post("/api/services/", sent).json()

    assert {name: body[name] for name in sent} == sent
    assert owner.get(f"/api/services/{body['id']}/").json() == body
    assert owner.get("/api/services/?is_active=false").json()["results"] == [body]


@pytest.mark.parametrize("field", ["name", "duration_minutes", "price_cents"])
def test_create_service_requires(owner, field):
    sent = {name: value for name, value in SERVICE.items() if name != field}

    assert refused(owner.post("/api/services/", sent), field) == {field: ["This field is required."]}


@pytest.mark.parametrize(
    ("stored", "sent", "field"),
    [
        ({}, {"season_from": "2027-06-02", "season_to": "2027-06-01"}, "season_to"),
        ({"season_from": "2027-06-02"}, {"season_to": "2027-06-01"}, "season_to"),
        ({"season_to": "2027-06-01"}, {"season_from": "2027-06-02"}, "season_to"),
        ({}, {"online_capacity": 2}, "online_capacity"),
        ({"capacity": 5, "online_capacity": 4}, {"capacity": 3}, "online_capacity"),
        ({}, {"min_attendees": 2}, "min_attendees"),
        ({"capacity": 5, "min_attendees": 4}, {"capacity": 3}, "min_attendees"),
    ],
)
def test_fields_of_a_service_agree_with_each_other(owner, stored, sent, field):
    service = owner.post("/api/services/", {**SERVICE, **stored}).json()

    refused(owner.post("/api/services/", {**SERVICE, "name": "Other", **stored, **sent}), field)
    refused(owner.patch(f"/api/services/{service['id']}/", sent), field)

    assert owner.get(f"/api/services/{service['id']}/").json() == service


def test_a_season_of_one_day_and_a_class_for_the_desk_only_are_possible(owner):
    sent = {"season_from": "2027-06-01", "season_to": "2027-06-01", "online_capacity": 0}

    body = owner.post("/api/services/", {**SERVICE, **sent}).json()

    assert {name: body[name] for name in sent} == sent


INTEGERS = [True, False, 1.5, 60.0, "1e2", "٦٠", "6 0", "+60", "0x10", "060", "", "60.0", [60], {}, 2**63, -(2**63) - 1, "9" * 5000]


@pytest.mark.parametrize("value", INTEGERS)
@pytest.mark.parametrize("field", ["duration_minutes", "price_cents", "horizon_days"])
def test_integers_have_one_spelling(owner, field, value):
    refused(owner.post("/api/services/", {**SERVICE, field: value}), field)


def test_integers_may_come_as_plain_digits(owner):
    assert owner.post("/api/services/", {**SERVICE, "price_cents": "4500"}).json()["price_cents"] == 4500


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 201),
        ("duration_minutes", 0),
        ("duration_minutes", -5),
        ("duration_minutes", 10081),
        ("duration_minutes", None),
        ("price_cents", -1),
        ("price_cents", 10**12 + 1),
        ("price_cents", None),
        ("buffer_before_minutes", -1),
        ("buffer_before_minutes", 1441),
        ("buffer_after_minutes", 1441),
        ("slot_step_minutes", 0),
        ("slot_step_minutes", 1441),
        ("capacity", 0),
        ("capacity", 1001),
        ("online_capacity", -1),
        ("online_capacity", 1001),
        ("min_attendees", 0),
        ("min_attendees", None),
        ("min_attendees_hours", -1),
        ("min_attendees_hours", 8761),
        ("horizon_in_working_days", None),
        ("horizon_in_working_days", "maybe"),
        ("season_from", "01.05.2027"),
        ("season_to", "2027-02-30"),
        ("season_to", "9999-12-31"),
        ("limits", {"per_month": 0}),
        ("limits", {"minutes_per_week": 7 * 1440 + 1}),
        ("limits", {"client": {"per_day": 0}}),
        ("limits", {"client": 3}),
        ("min_notice_minutes", -1),
        ("horizon_days", 0),
        ("horizon_days", 4000),
        ("tax_rate", "-1"),
        ("tax_rate", "100.01"),
        ("tax_rate", "7.123"),
        ("tax_rate", "NaN"),
        ("requires_approval", "perhaps"),
        ("limits", []),
        ("limits", None),
        ("limits", {"per_day": 0}),
        ("limits", {"per_day": None}),
        ("limits", {"per_day": True}),
        ("limits", {"minutes_per_day": 1441}),
        ("cancellation_policy", "free"),
        ("cancellation_policy", None),
        ("cancellation_policy", {"tiers": {}}),
        ("cancellation_policy", {"tiers": [{"hours_before": 24}]}),
        ("cancellation_policy", {"tiers": [{"hours_before": -1, "fee": {"kind": "none"}, "session": "returned"}]}),
        ("cancellation_policy", {"tiers": [{"hours_before": 1, "fee": {"kind": "half"}, "session": "returned"}]}),
        ("cancellation_policy", {"tiers": [{"hours_before": 1, "fee": {"kind": "none"}, "session": "lost"}]}),
        ("cancellation_policy", {"tiers": [{"hours_before": 1, "fee": {"kind": "none"}, "session": "returned"}] * 2}),
        ("cancellation_policy", {"tiers": [{"hours_before": n, "fee": {"kind": "none"}, "session": "returned"} for n in range(21)]}),
        ("cancellation_policy", {"no_show": {"fee": {"kind": "percent", "value": 101}, "session": "consumed"}}),
        ("cancellation_policy", {"no_show": {"fee": {"kind": "percent"}, "session": "consumed"}}),
        ("cancellation_policy", {"no_show": {"fee": {"kind": "none", "value": 5}, "session": "consumed"}}),
        ("cancellation_policy", {"free_moves": -1}),
        ("cancellation_policy", {"grace": {"minutes": 15}}),
    ],
)
def test_create_service_refuses_bad_values(owner, field, value):
    refused(owner.post("/api/services/", {**SERVICE, field: value}), field)
    assert listed(owner.get("/api/services/"), "id") == []


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"account": 1}, "account"),
        ({"id": 1}, "id"),
        ({"currency": "USD"}, "currency"),
        ({"limits": {"per_year": 3}}, "limits.per_year"),
        ({"limits": {"client": {"client": {}}}}, "limits.client.client"),
        ({"cancellation_policy": {"refund": 1}}, "cancellation_policy.refund"),
        (
            {"cancellation_policy": {"tiers": [{"hours_before": 1, "fee": {"kind": "none"}, "session": "returned", "x": 1}]}},
            "cancellation_policy.tiers.0.x",
        ),
        (
            {"cancellation_policy": {"no_show": {"fee": {"kind": "none", "currency": "EUR"}, "session": "returned"}}},
            "cancellation_policy.no_show.fee.currency",
        ),
    ],
)
def test_unknown_keys_are_refused_at_every_depth(owner, sent, field):
    response = owner.post("/api/services/", {**SERVICE, **sent})

    assert (response.status_code, response.json()["error"]) == (400, "unknown_field")
    assert list(response.json()["fields"]) == [field]


def test_a_service_name_is_unique_in_its_account(owner, other_owner):
    assert [owner.post("/api/services/", SERVICE).status_code for _ in range(2)] == [201, 400]
    assert refused(owner.post("/api/services/", SERVICE), "name") == {"name": ["This value is already used."]}
    assert other_owner.post("/api/services/", SERVICE).status_code == 201


def test_patch_service_writes_only_what_was_sent(owner, account):
    service = ServiceFactory(account=account, name="Massage", price_cents=5000, limits={"per_day": 3})

    body = owner.patch(f"/api/services/{service.pk}/", {"price_cents": 6000}).json()

    assert (body["name"], body["price_cents"], body["limits"]) == ("Massage", 6000, {"per_day": 3})
    refused(owner.patch(f"/api/services/{service.pk}/", {"name": ""}), "name")
    with account_scope(account):
        history = list(Service.history.filter(id=service.pk).order_by("history_id").values_list("history_type", "price_cents"))
        assert history == [("+", 5000), ("~", 6000)]


def test_two_people_who_patch_different_fields_both_keep_theirs(owner, account, monkeypatch):
    service = ServiceFactory(account=account, name="Massage", price_cents=5000)
    save = Service.save

    def somebody_else_was_faster(self, *args, **kwargs):
        Service.objects.filter(pk=self.pk).update(name="Deep massage")
        save(self, *args, **kwargs)

    monkeypatch.setattr(Service, "save", somebody_else_was_faster)
    body = owner.patch(f"/api/services/{service.pk}/", {"price_cents": 6000}).json()

    assert (body["name"], body["price_cents"]) == ("Deep massage", 6000)


@pytest.mark.parametrize("factory", [PackageItemFactory, OrderFactory, BookingFactory])
def test_a_service_in_use_stays(owner, account, factory):
    service_id = factory(account=account).service_id

    response = owner.delete(f"/api/services/{service_id}/")

    assert (response.status_code, response.json()["error"]) == (409, "in_use")
    assert owner.get(f"/api/services/{service_id}/").status_code == 200


def test_an_unused_service_goes_with_its_offerings(owner, account):
    offering = OfferingFactory(account=account)

    assert owner.delete(f"/api/services/{offering.service_id}/").status_code == 204

    with account_scope(account):
        assert list(Offering.objects.all()) == []
        assert Practitioner.objects.count() == 1


def test_services_are_searched_filtered_and_ordered(owner, account):
    ServiceFactory(account=account, name="Massage", category="Body")
    ServiceFactory(account=account, name="Coaching", description="For body and mind", is_active=False)
    ServiceFactory(account=account, name="Haircut")

    assert listed(owner.get("/api/services/?ordering=name"), "name") == ["Coaching", "Haircut", "Massage"]
    assert listed(owner.get("/api/services/?search=body&ordering=-name"), "name") == ["Massage", "Coaching"]
    assert listed(owner.get("/api/services/?is_active=false"), "name") == ["Coaching"]
    assert listed(owner.get("/api/services/?is_active=true&updated_since=2020-01-01T00:00:00Z&ordering=name"), "name") == [
        "Haircut",
        "Massage",
    ]


# -- all three

RESOURCES = {"services": ServiceFactory, "practitioners": PractitionerFactory, "offerings": OfferingFactory}


@pytest.mark.parametrize("path", RESOURCES)
def test_rows_of_another_account_are_not_found(owner, other_account, path):
    foreign = RESOURCES[path](account=other_account)

    for method in ("get", "patch", "delete"):
        assert getattr(owner, method)(f"/api/{path}/{foreign.pk}/").status_code == 404
    assert listed(owner.get(f"/api/{path}/"), "id") == []
    with account_scope(other_account):
        foreign.refresh_from_db()


@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize("query", ["is_active=maybe", "is_active=1", "updated_since=2026-05-01", "updated_since=2026-05-01T10:00:00"])
def test_bad_filter_values_are_refused(owner, path, query):
    refused(owner.get(f"/api/{path}/?{query}"), query.split("=")[0])


@pytest.mark.parametrize("path", RESOURCES)
def test_unknown_filters_are_refused(owner, path):
    response = owner.get(f"/api/{path}/?account=1")

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
def test_who_may_change_the_catalogue(client_as, account, path, role, read, write):
    row = RESOURCES[path](account=account)
    caller = client_as(role)

    assert caller.get(f"/api/{path}/").status_code == read
    assert caller.get(f"/api/{path}/{row.pk}/").status_code == read
    assert caller.post(f"/api/{path}/", {}).status_code == (400 if write == 204 else write)
    assert caller.patch(f"/api/{path}/{row.pk}/", {"is_active": False}).status_code == (200 if write == 204 else write)
    assert caller.delete(f"/api/{path}/{row.pk}/").status_code == write


@pytest.mark.parametrize(("path", "query", "expected"), [
    ("services", "", 3),  # token, membership, rows
    ("services", "?is_active=true&ordering=name", 3),
    ("services", "?search=service", 3),
    ("practitioners", "", 3),
    ("offerings", "", 3),
    ("offerings", "?practitioner={practitioner}", 4),  # and the practitioner of the filter
])  # fmt: skip
@pytest.mark.parametrize("count", [1, 3])
def test_lists_take_a_fixed_number_of_statements(owner, account, statements, path, query, expected, count):
    kim = PractitionerFactory(account=account)
    if path == "practitioners":
        PractitionerFactory.create_batch(count - 1, account=account)
    elif path == "services":
        ServiceFactory.create_batch(count, account=account)
    else:
        OfferingFactory.create_batch(count, account=account, practitioner=kim)

    with statements() as made:
        response = owner.get(f"/api/{path}/{query.format(practitioner=kim.pk)}")

    assert len(response.json()["results"]) == count
    assert len(made()) == expected
