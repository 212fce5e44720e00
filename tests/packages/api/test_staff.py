"""/api/packages/: the contract of source 000."""

import pytest

from apps.packages.models import Package
from factories.catalog import ServiceFactory
from factories.packages import PackageFactory, PackageItemFactory


def test_create_package_takes_the_account_from_the_caller(owner, account):
    response = owner.post("/api/packages/", {"package_name": "Premium Coaching", "description": "12 weeks"})

    assert response.status_code == 201
    body = response.json()
    assert (body["account"], body["account_name"]) == (account.pk, "Berlin Studio")
    assert (body["package_name"], body["description"], body["price_cents"], body["total_sessions"]) == ("Premium Coaching", "12 weeks", 0, 0)


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
