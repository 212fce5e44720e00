"""/api/practitioners/ and /api/offerings/."""

import pytest

from factories.accounts import MembershipFactory
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.payments import PaymentFactory
from factories.scheduling import DateOverrideFactory, TimeOffFactory, WeeklyHoursFactory

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


# -- practitioners


def test_create_practitioner_takes_the_zone_of_the_account(owner, other_owner):
    here = owner.post("/api/practitioners/", {"display_name": "Kim"})
    there = other_owner.post("/api/practitioners/", {"display_name": "Kim"})

    assert (here.status_code, there.status_code) == (201, 201)
    body = here.json()
    assert (body.pop("created_at"), body.pop("updated_at")) != (None, None)
    assert body == {
        "id": body["id"],
        "display_name": "Kim",
        "timezone": "Europe/Berlin",
        "member": None,
        "headline": "",
        "bio": "",
        "limits": {},
        "rating_average": None,
        "rating_count": 0,
        "is_active": True,
    }
    assert there.json()["timezone"] == "America/New_York"


def test_create_practitioner_with_everything(owner, account):
    member = MembershipFactory(account=account, role="practitioner")
    sent = {
        "display_name": "Kim",
        "timezone": "Asia/Kathmandu",
        "member": member.pk,
        "headline": "Coach",
        "bio": "Ten years",
        "limits": {"per_week": 20},
        "is_active": False,
    }

    body = owner.post("/api/practitioners/", sent).json()

    assert {name: body[name] for name in sent} == sent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", ""),
        ("display_name", None),
        ("timezone", ""),
        ("timezone", None),
        ("timezone", "Berlin"),
        ("timezone", "europe/berlin"),
        ("timezone", "UTC+1"),
        ("timezone", "../../etc/passwd"),
        ("timezone", "localtime"),
        ("limits", {"per_week": "many"}),
        ("member", "me"),
        ("member", 999_999_999),
    ],
)
def test_create_practitioner_refuses_bad_values(owner, field, value):
    refused(owner.post("/api/practitioners/", {"display_name": "Kim", field: value}), field)


def test_a_practitioner_is_no_member_of_another_account(owner, other_account, account):
    foreign = MembershipFactory(account=other_account)
    kim = PractitionerFactory(account=account)

    for response in (
        owner.post("/api/practitioners/", {"display_name": "Kim", "member": foreign.pk}),
        owner.patch(f"/api/practitioners/{kim.pk}/", {"member": foreign.pk}),
    ):
        assert refused(response, "member") == {"member": [f'Invalid pk "{foreign.pk}" - object does not exist.']}


def test_delete_practitioner(owner, account):
    used = PaymentFactory(account=account, practitioner=PractitionerFactory(account=account)).practitioner
    unused = PractitionerFactory(account=account)
    for factory in (WeeklyHoursFactory, DateOverrideFactory, TimeOffFactory, OfferingFactory):
        factory(account=account, practitioner=unused)

    in_use = owner.delete(f"/api/practitioners/{used.pk}/")

    assert (in_use.status_code, in_use.json()["error"]) == (409, "in_use")
    assert owner.delete(f"/api/practitioners/{unused.pk}/").status_code == 204
    assert listed(owner.get("/api/practitioners/"), "id") == [used.pk]


# -- offerings


@pytest.mark.parametrize("weight", [0, 101, None, 1.5])
def test_weight_of_an_offering_lies_between_1_and_100(owner, account, weight):
    offering = OfferingFactory(account=account)

    refused(owner.patch(f"/api/offerings/{offering.pk}/", {"weight": weight}), "weight")
    assert owner.patch(f"/api/offerings/{offering.pk}/", {"weight": 100}).json()["weight"] == 100


def test_limits_for_each_client_belong_to_a_service(owner, account):
    practitioner = PractitionerFactory(account=account)

    response = owner.patch(f"/api/practitioners/{practitioner.pk}/", {"limits": {"client": {"per_day": 1}}})

    assert (response.status_code, list(response.json()["fields"])) == (400, ["limits.client"])


def test_create_offering(owner, account):
    kim, massage = PractitionerFactory(account=account, display_name="Kim"), ServiceFactory(account=account, name="Massage")

    response = owner.post("/api/offerings/", {"practitioner": kim.pk, "service": massage.pk})

    assert response.status_code == 201
    body = response.json()
    assert (body.pop("created_at"), body.pop("updated_at")) != (None, None)
    assert body == {
        "id": body["id"],
        "practitioner": kim.pk,
        "practitioner_name": "Kim",
        "service": massage.pk,
        "service_name": "Massage",
        "price_cents": None,
        "duration_minutes": None,
        "weight": 1,
        "is_active": True,
    }
    again = owner.post("/api/offerings/", {"practitioner": kim.pk, "service": massage.pk})
    message = ["This practitioner offers this service already."]
    assert again.json()["fields"] == {"practitioner": message, "service": message}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price_cents", -1),
        ("price_cents", "1e3"),
        ("duration_minutes", 0),
        ("duration_minutes", 10081),
        ("service", None),
        ("practitioner", "any"),
    ],
)
def test_create_offering_refuses_bad_values(owner, account, field, value):
    sent = {"practitioner": PractitionerFactory(account=account).pk, "service": ServiceFactory(account=account).pk, field: value}

    refused(owner.post("/api/offerings/", sent), field)


@pytest.mark.parametrize(("field", "factory"), [("practitioner", PractitionerFactory), ("service", ServiceFactory)])
def test_an_offering_joins_rows_of_one_account(owner, account, other_account, field, factory):
    mine = OfferingFactory(account=account)
    foreign = factory(account=other_account)
    sent = {"practitioner": PractitionerFactory(account=account).pk, "service": mine.service_id, field: foreign.pk}
    missing = {field: [f'Invalid pk "{foreign.pk}" - object does not exist.']}

    assert refused(owner.post("/api/offerings/", sent), field) == missing
    assert refused(owner.patch(f"/api/offerings/{mine.pk}/", {field: foreign.pk}), field) == missing
    assert refused(owner.get(f"/api/offerings/?{field}={foreign.pk}"), field) == missing


def test_offerings_are_filtered_by_practitioner_and_service(owner, account):
    first, second = OfferingFactory(account=account), OfferingFactory(account=account, is_active=False)

    for query, expected in (
        (f"practitioner={first.practitioner_id}", [first.pk]),
        (f"service={second.service_id}", [second.pk]),
        (f"service={second.service_id}&practitioner={first.practitioner_id}", []),
        ("is_active=false", [second.pk]),
        ("practitioner=", [second.pk, first.pk]),
    ):
        assert listed(owner.get(f"/api/offerings/?{query}"), "id") == expected


def test_delete_offering(owner, account):
    offering = OfferingFactory(account=account)

    assert owner.delete(f"/api/offerings/{offering.pk}/").status_code == 204
    assert owner.delete(f"/api/offerings/{offering.pk}/").status_code == 404
