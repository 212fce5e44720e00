"""/api/packages/: the contract of source 000."""

import pytest

from apps.core.tenancy import account_scope
from apps.packages.models import Package, PackageItem
from factories.catalog import ServiceFactory
from factories.orders import OrderFactory
from factories.packages import PackageFactory, PackageItemFactory


def test_create_package_takes_the_account_from_the_caller(owner, account):
    response = owner.post("/api/packages/", {"package_name": "Premium Coaching", "description": "12 weeks"})

    assert response.status_code == 201
    body = response.json()
    assert (body["account"], body["account_name"]) == (account.pk, "Berlin Studio")
    assert (body["package_name"], body["description"], body["price_cents"], body["total_sessions"]) == (
        "Premium Coaching",
        "12 weeks",
        0,
        0,
    )


def test_create_package_with_the_same_name_fails_here_and_succeeds_elsewhere(owner, other_owner, account):
    PackageFactory(account=account, package_name="Premium")

    again = owner.post("/api/packages/", {"package_name": "Premium"})
    elsewhere = other_owner.post("/api/packages/", {"package_name": "Premium"})

    assert again.status_code == 400
    assert again.json()["fields"] == {"package_name": ["A package with this name exists already."]}
    assert elsewhere.status_code == 201


@pytest.mark.parametrize("field", ["account", "account_id", "id", "account_name", "total_sessions", "nonsense"])
def test_create_package_refuses_fields_that_are_not_the_callers_to_set(owner, other_account, field):
    response = owner.post("/api/packages/", {"package_name": "Premium", field: other_account.pk})

    assert (response.status_code, response.json()["error"]) == (400, "unknown_field")
    assert list(response.json()["fields"]) == [field]


def test_search_finds_packages_by_name_and_description(owner, account):
    PackageFactory(account=account, package_name="Premium coaching")
    PackageFactory(account=account, package_name="Massage", description="With coaching afterwards")
    PackageFactory(account=account, package_name="Haircut")

    found = owner.get("/api/packages/?search=coaching&ordering=package_name").json()["results"]

    assert [package["package_name"] for package in found] == ["Massage", "Premium coaching"]


def test_items_of_another_account_do_not_exist(owner, other_account, account):
    foreign = ServiceFactory(account=other_account)

    response = owner.post("/api/packages/", {"package_name": "Premium", "items": [{"service": foreign.pk, "quantity": 1}]})

    assert response.status_code == 400
    assert response.json()["fields"] == {"items.0.service": [f'Invalid pk "{foreign.pk}" - object does not exist.']}
    assert owner.get("/api/packages/").json()["results"] == []


def test_patch_replaces_the_items(owner, account):
    item = PackageItemFactory(account=account, quantity=3)
    service = ServiceFactory(account=account)

    response = owner.patch(f"/api/packages/{item.package_id}/", {"items": [{"service": service.pk, "quantity": 2}]})

    assert response.status_code == 200
    assert response.json()["items"] == [{"service": service.pk, "service_name": service.name, "quantity": 2}]
    assert response.json()["total_sessions"] == 2


def test_packages_of_another_account_are_not_found(owner, other_account):
    foreign = PackageFactory(account=other_account)

    for method in ("get", "patch", "delete"):
        assert getattr(owner, method)(f"/api/packages/{foreign.pk}/").status_code == 404
    assert owner.get("/api/packages/").json()["results"] == []
    assert Package._base_manager.model is Package


@pytest.mark.parametrize("item_count", [1, 3])
def test_list_packages_takes_a_fixed_number_of_statements(owner, account, item_count, statements):
    for _ in range(item_count):
        PackageItemFactory.create_batch(item_count, account=account)

    with statements() as made:
        response = owner.get("/api/packages/")

    assert len(response.json()["results"]) == item_count**2
    assert len(made()) == 4  # token, membership, packages, items


def test_create_package_fills_in_the_documented_defaults(owner, account):
    body = owner.post("/api/packages/", {"package_name": "  Premium "}).json()

    assert (body.pop("created_at"), body.pop("updated_at")) != (None, None)
    assert body == {
        "id": body["id"],
        "account": account.pk,
        "account_name": "Berlin Studio",
        "package_name": "Premium",
        "description": "",
        "price_cents": 0,
        "currency": "EUR",
        "valid_days": None,
        "expiry": {},
        "transferable": False,
        "transfer_fee_cents": 0,
        "max_transfers": None,
        "max_pauses_per_year": None,
        "max_pause_days": None,
        "is_public": True,
        "is_active": True,
        "items": [],
        "total_sessions": 0,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("package_name", ""),
        ("package_name", "   "),
        ("package_name", None),
        ("package_name", "x" * 256),
        ("price_cents", -1),
        ("price_cents", 99.5),
        ("price_cents", 2**63),
        ("price_cents", "٦٠"),
        ("valid_days", 0),
        ("valid_days", 36501),
        ("valid_days", True),
        ("items", {}),
        ("items", [{"quantity": 1}]),
        ("items", [{"service": "massage", "quantity": 1}]),
        ("items", [{"service": 999_999_999, "quantity": 1}]),
    ],
)
def test_create_package_refuses_bad_values(owner, field, value):
    response = owner.post("/api/packages/", {"package_name": "Premium", field: value})

    body = response.json()
    assert (response.status_code, body["error"]) == (400, "validation_error"), body
    assert {name.split(".")[0] for name in body["fields"]} == {field}
    assert owner.get("/api/packages/").json()["results"] == []


@pytest.mark.parametrize("quantity", [0, 501, True, 1.0, "1e2", None])
def test_create_package_refuses_bad_quantities(owner, account, quantity):
    service = ServiceFactory(account=account)

    response = owner.post("/api/packages/", {"package_name": "Premium", "items": [{"service": service.pk, "quantity": quantity}]})

    assert (response.status_code, list(response.json()["fields"])) == (400, ["items.0.quantity"])


def test_items_keep_their_order(owner, account):
    services = ServiceFactory.create_batch(3, account=account)
    wanted = [{"service": s.pk, "quantity": q} for s, q in zip(reversed(services), (2, 1, 4), strict=True)]

    body = owner.post("/api/packages/", {"package_name": "Premium", "items": wanted}).json()

    assert [{"service": item["service"], "quantity": item["quantity"]} for item in body["items"]] == wanted
    assert body["total_sessions"] == 7
    assert owner.get(f"/api/packages/{body['id']}/").json() == body


def test_a_sold_package_stays_and_an_unsold_one_goes_with_its_items(owner, account):
    sold, unsold = PackageItemFactory(account=account), PackageItemFactory(account=account)
    OrderFactory(account=account, order_type="package", service=None, package=sold.package)

    in_use = owner.delete(f"/api/packages/{sold.package_id}/")

    assert (in_use.status_code, in_use.json()["error"]) == (409, "in_use")
    assert owner.delete(f"/api/packages/{unsold.package_id}/").status_code == 204
    assert [package["id"] for package in owner.get("/api/packages/").json()["results"]] == [sold.package_id]
    with account_scope(account):
        assert list(PackageItem.objects.values_list("pk", flat=True)) == [sold.pk]


def test_packages_are_filtered_and_ordered(owner, account):
    PackageFactory(account=account, package_name="B", is_active=False)
    PackageFactory(account=account, package_name="A")
    PackageFactory(account=account, package_name="C")

    def listed(query):
        return [package["package_name"] for package in owner.get(f"/api/packages/?{query}").json()["results"]]

    assert listed("ordering=package_name") == ["A", "B", "C"]
    assert listed("is_active=true&ordering=-package_name") == ["C", "A"]
    assert listed("is_active=false") == ["B"]
    assert listed("updated_since=2200-01-01T00:00:00Z") == []


@pytest.mark.parametrize("query", ["is_active=maybe", "updated_since=2026-05-01T10:00:00", "ordering=price_cents", "page_size=1e1"])
def test_bad_filter_values_are_refused(owner, query):
    response = owner.get(f"/api/packages/?{query}")

    assert (response.status_code, response.json()["error"]) == (400, "validation_error")
    assert list(response.json()["fields"]) == [query.split("=")[0]]


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
def test_who_may_change_packages(client_as, account, role, read, write):
    package = PackageFactory(account=account)
    caller = client_as(role)

    assert caller.get("/api/packages/").status_code == read
    assert caller.post("/api/packages/", {"package_name": "Premium"}).status_code == (201 if write == 204 else write)
    assert caller.patch(f"/api/packages/{package.pk}/", {"is_active": False}).status_code == (200 if write == 204 else write)
    assert caller.delete(f"/api/packages/{package.pk}/").status_code == write
