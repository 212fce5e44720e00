"""/api/accounts/, /api/account/ and /api/account/settings/."""

import pytest

from apps.accounts.models import Account, Membership
from apps.accounts.selectors import setting
from apps.accounts.settings_keys import KEYS
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.packages.models import Package
from factories.accounts import AccountFactory, InvitationFactory, token_for
from factories.orders import OrderFactory
from factories.packages import PackageItemFactory
from factories.scheduling import WeeklyHoursFactory
from factories.users import UserFactory
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db

NEW = {"name": "Studio Ä & Co", "timezone": "Europe/Berlin", "currency": "EUR", "country": "DE"}
DEFAULTS = {name: key.default for name, key in KEYS.items()}


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def client(user):
    return ApiClient(token_for(user))


def test_create_account_makes_the_caller_its_owner(client, user):
    response = client.post("/api/accounts/", NEW)

    assert response.status_code == 201
    body = response.json()
    assert {key: body[key] for key in NEW} == NEW
    assert (body["slug"], body["status"]) == ("studio-a-co", "active")
    [mine] = client.get("/api/me/").json()["memberships"]
    assert (mine["account"]["id"], mine["role"]) == (body["id"], "owner")
    with account_scope(body["id"]):
        event = Event.objects.get()
        assert (event.type, event.subject_id, event.actor_id) == ("account.created", body["id"], user.pk)


def test_slugs_made_from_names_are_unique(client):
    slugs = [
        client.post("/api/accounts/", {**NEW, "name": name}).json()["slug"]
        for name in ("Studio", "Studio", "studio!", "株式会社", "...", "x" * 200)
    ]

    assert slugs[:5] == ["studio", "studio-2", "studio-3", "account", "account-2"]
    assert len(slugs[5]) <= 63


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "validation_error"),
        ({"name": "x" * 201}, "validation_error"),
        ({"timezone": "Europe/Nowhere"}, "validation_error"),
        ({"timezone": "../etc/passwd"}, "validation_error"),
        ({"currency": "eur"}, "validation_error"),
        ({"currency": "ZZZ"}, "validation_error"),
        ({"currency": "EURO"}, "validation_error"),
        ({"country": "XX"}, "validation_error"),
        ({"slug": "with space"}, "validation_error"),
        ({"slug": ""}, "validation_error"),
        ({"slug": "berlin"}, "validation_error"),
        ({"owner": 1}, "unknown_field"),
        ({"status": "closed"}, "unknown_field"),
    ],
)
def test_create_account_refuses_bad_input(client, account, change, code):
    response = client.post("/api/accounts/", {**NEW, **change})

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, list(change))
    assert Account.objects.count() == 1


def test_everybody_sees_the_account_and_owners_change_it(client_as, account, other_account):
    shown = client_as("bookkeeper").get("/api/account/")
    assert (shown.status_code, shown.json()["id"], shown.json()["currency"]) == (200, account.pk, "EUR")

    changed = client_as("owner").patch("/api/account/", {"name": "New name", "timezone": "Europe/Paris", "country": "FR"})
    assert (changed.status_code, changed.json()["name"], changed.json()["timezone"], changed.json()["country"]) == (
        200,
        "New name",
        "Europe/Paris",
        "FR",
    )
    with account_scope(account):
        event = Event.objects.get(type="account.changed")
        assert event.changes == {
            "name": ["Berlin Studio", "New name"],
            "timezone": ["Europe/Berlin", "Europe/Paris"],
            "country": ["DE", "FR"],
        }
    other_account.refresh_from_db()
    assert other_account.name == "New York Studio"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "validation_error"),
        ({"timezone": "Mars/Base"}, "validation_error"),
        ({"slug": "new-york"}, "validation_error"),
        ({"country": "XX"}, "validation_error"),
        ({"currency": "USD"}, "unknown_field"),
        ({"status": "closed"}, "unknown_field"),
        ({"settings": {}}, "unknown_field"),
    ],
)
def test_patch_account_refuses_bad_input(owner, other_account, account, change, code):
    response = owner.patch("/api/account/", change)

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, list(change))
    account.refresh_from_db()
    assert (account.name, account.slug, account.currency) == ("Berlin Studio", "berlin", "EUR")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("patch", "account/", {"owner"}),
        ("delete", "account/", {"owner"}),
        ("patch", "account/settings/", {"owner", "manager"}),
        ("get", "account/settings/", {"owner", "manager", "practitioner", "front_desk", "bookkeeper"}),
    ],
)
@pytest.mark.parametrize("role", ["owner", "manager", "practitioner", "front_desk", "bookkeeper"])
def test_who_may_change_the_account(client_as, role, method, path, allowed):
    arguments = ({},) if method == "patch" else ()

    response = getattr(client_as(role), method)(f"/api/{path}", *arguments)

    assert response.status_code in ({200, 204} if role in allowed else {403})


def test_delete_takes_packages_and_catalogue_and_nobody_elses(owner, account, other_account):
    PackageItemFactory(account=account)
    WeeklyHoursFactory(account=account)
    InvitationFactory(account=account)
    owner.patch("/api/account/settings/", {"order_number_prefix": "A"})
    kept = PackageItemFactory(account=other_account)

    response = owner.delete("/api/account/")

    assert (response.status_code, response.content) == (204, b"")
    with platform_scope("test"):
        assert [p.pk for p in Package.objects.all()] == [kept.package_id]
        assert not Membership.objects.filter(account_id=account.pk).exists()
        assert not Event.objects.filter(account_id=account.pk).exists()
        assert not Package.history.filter(account_id=account.pk).exists()
    assert not Account.objects.filter(pk=account.pk).exists()
    assert Account.history.filter(id=account.pk, history_type="-").exists()
    assert owner.get("/api/account/").status_code == 403


def test_delete_is_refused_while_there_is_money(owner, account, monkeypatch):
    monkeypatch.setattr("apps.accounts.deletion._keepers", [lambda: False, lambda: True])
    PackageItemFactory(account=account)

    response = owner.delete("/api/account/")

    assert (response.status_code, response.json()["error"]) == (409, "account_in_use")
    assert owner.get("/api/packages/").json()["results"]


def test_an_order_keeps_the_account(owner, account):
    OrderFactory(account=account)

    response = owner.delete("/api/account/")

    assert (response.status_code, response.json()["error"]) == (409, "account_in_use")


def test_settings_show_defaults_and_keep_what_is_set(owner, account):
    assert owner.get("/api/account/settings/").json() == DEFAULTS

    owner.patch("/api/account/settings/", {"padding_inside_hours": True})
    changed = owner.patch("/api/account/settings/", {"order_number_prefix": "B-"})

    expected = {**DEFAULTS, "order_number_prefix": "B-", "padding_inside_hours": True}
    assert (changed.status_code, changed.json()) == (200, expected)
    account.refresh_from_db()
    assert (setting(account, "order_number_prefix"), setting(AccountFactory(), "order_number_prefix")) == ("B-", "")
    with account_scope(account):
        changes = [event.changes for event in Event.objects.filter(type="account.changed").order_by("id")]
        assert changes == [{"settings.padding_inside_hours": [False, True]}, {"settings.order_number_prefix": ["", "B-"]}]


def test_unknown_settings_are_a_programming_error(account):
    with pytest.raises(KeyError):
        setting(account, "nonsense")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"nonsense": True}, "unknown_field"),
        ({"padding_inside_hours": "yes"}, "validation_error"),
        ({"padding_inside_hours": 1}, "validation_error"),
        ({"padding_inside_hours": None}, "validation_error"),
        ({"order_number_prefix": "x" * 9}, "validation_error"),
        ({"order_number_prefix": "<b>"}, "validation_error"),
        ({"order_number_prefix": 5}, "validation_error"),
        ({"bank_transfer_instructions": "x" * 2001}, "validation_error"),
        ({"bank_transfer_instructions": {"a": 1}}, "validation_error"),
    ],
)
def test_settings_refuse_bad_input(owner, account, change, code):
    response = owner.patch("/api/account/settings/", change)

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, list(change))
    account.refresh_from_db()
    assert account.settings == {}
