"""/api/public/<slug>/: the business card, what can be booked and by whom, packages, and free starts."""

import json

import pytest
import time_machine

from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, ServiceFactory
from factories.packages import PackageFactory, PackageItemFactory
from tests.bookings.life import book
from tests.conftest import ApiClient
from tests.payments.counter import set_up
from tests.studio import NOW

PUBLIC = "/api/public/berlin/"
MONDAY = "from=2026-11-23&to=2026-11-24"
MARKUP = "<script>alert(1)</script>\"'&</script>"


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


def get(path, status=200):
    response = ApiClient().get(PUBLIC + path)
    assert response.status_code == status, response.content
    return response.json()


def change(row, **fields):
    with account_scope(row.account_id):
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()


# -- the card


def test_the_card_says_who_it_is_and_how_to_pay(studio):
    assert get("") == {
        "name": "Berlin Studio",
        "slug": "berlin",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "country": "DE",
        "prices_include_tax": True,
        "payment_methods": ["bank_transfer", "cash", "wallet"],
        "referral_points": 0,
    }


def test_the_card_names_providers_that_are_on_and_what_the_settings_allow(studio):
    set_up(studio.account, "stripe", {})
    set_up(studio.account, "paypal", {}, is_active=False)
    studio.account.settings = {"online_cash": False, "prices_include_tax": False}
    studio.account.save()

    card = get("")

    assert (card["payment_methods"], card["prices_include_tax"]) == (["stripe", "bank_transfer", "wallet"], False)


# -- services


def test_a_service_shows_what_is_needed_to_book_it_and_nothing_internal(studio):
    change(studio.service, limits={"per_day": 3}, online_capacity=1, min_notice_minutes=30, tax_rate=19)

    (service,) = get("services/")["results"]

    assert service == {
        "id": studio.service.pk,
        "name": studio.service.name,
        "description": "",
        "category": "",
        "duration_minutes": 60,
        "price_cents": 5000,
        "currency": "EUR",
        "tax_rate": "19.00",
        "capacity": 1,
        "min_notice_minutes": 30,
        "horizon_days": 365,
        "season_from": None,
        "season_to": None,
        "requires_approval": False,
        "cancellation_policy": {},
    }
    assert get(f"services/{studio.service.pk}/") == service


def test_what_is_not_active_does_not_exist(studio):
    for row, path in ((studio.service, "services"), (studio.practitioner, "practitioners"), (studio.package, "packages")):
        assert get(f"{path}/{row.pk}/")["id"] == row.pk
        change(row, is_active=False)
        assert get(f"{path}/")["results"] == []
        assert get(f"{path}/{row.pk}/", 404)["error"] == "not_found"


# -- practitioners


def test_a_practitioner_shows_their_services_at_their_own_price_and_length(studio):
    change(studio.practitioner, headline="Calm", bio="Lines\nof text", rating_total=9, rating_count=2)
    other = ServiceFactory(account=studio.account, name="Zither", price_cents=7000, duration_minutes=30)
    OfferingFactory(account=studio.account, practitioner=studio.practitioner, service=other, price_cents=6500, duration_minutes=45)

    (shown,) = get("practitioners/")["results"]

    assert shown == {
        "id": studio.practitioner.pk,
        "display_name": studio.practitioner.display_name,
        "headline": "Calm",
        "bio": "Lines\nof text",
        "timezone": "Europe/Berlin",
        "rating_average": 4.5,
        "rating_count": 2,
        "services": [
            {
                "service": studio.service.pk,
                "service_name": studio.service.name,
                "duration_minutes": 60,
                "price_cents": 5000,
                "currency": "EUR",
            },
            {"service": other.pk, "service_name": "Zither", "duration_minutes": 45, "price_cents": 6500, "currency": "EUR"},
        ],
    }
    assert get(f"practitioners/{studio.practitioner.pk}/") == shown


def test_what_a_practitioner_no_longer_offers_is_not_shown(studio):
    ended = ServiceFactory(account=studio.account)
    OfferingFactory(account=studio.account, practitioner=studio.practitioner, service=ended, is_active=False)
    change(studio.service, is_active=False)

    assert get("practitioners/")["results"][0]["services"] == []


# -- packages


def test_a_package_shows_what_is_in_it(studio):
    (package,) = get("packages/")["results"]

    assert package == {
        "id": studio.package.pk,
        "package_name": studio.package.package_name,
        "description": "",
        "price_cents": 10000,
        "currency": "EUR",
        "valid_days": None,
        "expiry": {},
        "transferable": False,
        "items": [{"service": studio.service.pk, "service_name": studio.service.name, "quantity": 3}],
        "total_sessions": 3,
    }
    assert get(f"packages/{studio.package.pk}/") == package


def test_a_package_that_is_not_public_or_empty_does_not_exist(studio):
    private = PackageFactory(account=studio.account, is_public=False)
    PackageItemFactory(account=studio.account, package=private, service=studio.service)
    empty = PackageFactory(account=studio.account)

    assert [row["id"] for row in get("packages/")["results"]] == [studio.package.pk]
    for hidden in (private, empty):
        assert get(f"packages/{hidden.pk}/", 404)["error"] == "not_found"


# -- lists


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("path", "statements_needed"), [("services/", 2), ("practitioners/", 3), ("packages/", 3)])
def test_lists_take_a_fixed_number_of_statements(account, count, path, statements_needed, statements):
    for _ in range(count):
        offered = OfferingFactory(account=account, service=ServiceFactory(account=account))
        PackageItemFactory(account=account, service=offered.service)

    with statements() as made:
        rows = get(path)["results"]

    assert len(rows) == count
    assert len(made()) == statements_needed  # the account, the rows; what practitioners offer, what is in packages


def test_lists_are_in_the_order_of_their_names_and_come_in_pages(account):
    for name in ("Cello", "Alto", "Bass"):
        ServiceFactory(account=account, name=name)

    first = get("services/?page_size=2")
    second = ApiClient().get(first["next"]).json()

    assert [row["name"] for row in first["results"] + second["results"]] == ["Alto", "Bass", "Cello"]
    assert [row["name"] for row in get("services/?search=alt")["results"]] == ["Alto"]
    assert get("services/?is_active=false", 400)["error"] == "unknown_field"


def test_texts_come_as_they_are_and_as_nothing_but_json(studio):
    change(studio.service, name=MARKUP[:200], description=MARKUP)

    response = ApiClient().get(f"{PUBLIC}services/{studio.service.pk}/")

    assert json.loads(response.content)["description"] == MARKUP
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


# -- slots


def slots(query):
    return get(f"slots/?{query}&{MONDAY}")


def test_slots_are_what_can_be_booked_online(studio):
    book(studio)

    found = slots(f"service={studio.service.pk}")

    assert found["timezone"] == "Europe/Berlin"
    assert [slot["start"][11:16] for slot in found["slots"]] == ["09:00", "11:00", "12:00", "13:00", "14:00", "15:00", "16:00"]
    assert found["slots"][0] == {
        "start": "2026-11-23T09:00:00+01:00",
        "end": "2026-11-23T10:00:00+01:00",
        "bookable_until": "2026-11-23T09:00:00+01:00",
        "practitioner": studio.practitioner.pk,
        "seats_left": 1,
        "price_cents": 5000,
        "currency": "EUR",
    }


def test_slots_keep_to_seats_for_clients(studio):
    change(studio.service, capacity=3, online_capacity=2)

    assert {slot["seats_left"] for slot in slots(f"service={studio.service.pk}")["slots"]} == {2}
    assert slots(f"service={studio.service.pk}&party=3")["slots"] == []


def test_slots_are_asked_for_each_time(studio):
    response = ApiClient().get(f"{PUBLIC}slots/?service={studio.service.pk}&{MONDAY}")
    again = ApiClient().get(f"{PUBLIC}slots/?service={studio.service.pk}&{MONDAY}", headers={"If-None-Match": response.headers["ETag"]})

    assert (response.headers["Cache-Control"], again.status_code) == ("no-cache", 304)


@pytest.mark.parametrize("parameter", ["explain=2026-11-23T10:00:00Z", "client=1", "booking=1", "nonsense=1"])
def test_slots_answer_nothing_about_the_business_or_its_clients(studio, parameter):
    body = get(f"slots/?service={studio.service.pk}&{MONDAY}&{parameter}", 400)

    assert (body["error"], list(body["fields"])) == ("unknown_field", [parameter.partition("=")[0]])


@pytest.mark.parametrize("name", ["service", "practitioner"])
def test_slots_of_what_is_not_offered_any_more_do_not_exist(studio, name):
    row = getattr(studio, name)
    change(row, is_active=False)
    query = f"service={studio.service.pk}" + (f"&practitioner={row.pk}" if name == "practitioner" else "")

    hidden = get(f"slots/?{query}&{MONDAY}", 400)
    unknown = get(f"slots/?{query.replace(f'{name}={row.pk}', f'{name}={2**62}')}&{MONDAY}", 400)

    assert hidden["fields"] == {name: [f'Invalid pk "{row.pk}" - object does not exist.']}
    assert unknown["fields"] == {name: [f'Invalid pk "{2**62}" - object does not exist.']}
