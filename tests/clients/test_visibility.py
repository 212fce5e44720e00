"""practitioners_see_own_clients: a practitioner finds only what is about their own clients."""

from datetime import timedelta

import pytest

from apps.accounts.models import Role
from apps.accounts.policy import allows
from apps.clients.models import Client
from apps.core.tenancy import account_scope
from factories.accounts import MembershipFactory, token_for
from factories.bookings import BookingFactory
from factories.clients import ClientFactory
from factories.crm import ClientNoteFactory, ClientTaskFactory
from factories.orders import OrderFactory
from factories.users import CustomerFactory
from tests.conftest import ApiClient
from tests.security.routes import body_with, calls, input_serializer, related_inputs
from tests.security.worlds import factory_of, for_client
from tests.studio import MONDAY_TEN, open_studio


@pytest.fixture
def world(account):
    """A practitioner's client by session, one by ownership, and one of somebody else, each with something of everything."""
    studio = open_studio(account)
    member = MembershipFactory(account=account, role=Role.PRACTITIONER)
    with account_scope(account):
        studio.practitioner.member = member
        studio.practitioner.save()
    clients = {
        "met": ClientFactory(account=account),
        "owned": ClientFactory(account=account, owner=member, customer=CustomerFactory()),
        "other": ClientFactory(account=account),
    }
    rows = {}
    for name, client in clients.items():
        order = OrderFactory(account=account, client=client)
        rows[name] = {
            "clients": client.pk,
            "orders": order.pk,
            "bookings": BookingFactory(account=account, client=client, order=order).pk,
            "client-notes": ClientNoteFactory(account=account, client=client).pk,
            "client-tasks": ClientTaskFactory(account=account, client=client).pk,
        }
    BookingFactory(
        account=account,
        client=clients["met"],
        practitioner=studio.practitioner,
        start_time=MONDAY_TEN + timedelta(days=1),
        status="cancelled",
    )
    return member, rows


def switch(account, value):
    account.settings = {"practitioners_see_own_clients": value}
    account.save()


LISTS = ("clients", "orders", "bookings", "client-tasks")


def test_lists_and_rows_are_narrowed(account, world):
    member, rows = world
    mine = ApiClient(token_for(member.user))
    everything = {path: len(mine.get(f"/api/{path}/").json()["results"]) for path in LISTS}

    switch(account, True)

    for path in LISTS:
        listed = {one["id"] for one in mine.get(f"/api/{path}/").json()["results"]}
        assert {rows["met"][path], rows["owned"][path]} <= listed
        assert rows["other"][path] not in listed
        assert len(listed) < everything[path]
    for name, statuses in (("met", 200), ("owned", 200), ("other", 404)):
        for path, pk in rows[name].items():
            assert mine.get(f"/api/{path}/{pk}/").status_code == statuses, (name, path)
        for below in ("timeline", "notes", "tasks", "consents"):
            assert mine.get(f"/api/clients/{rows[name]['clients']}/{below}/").status_code == statuses, (name, below)


def test_nothing_of_others_is_changed_or_found(account, world):
    member, rows = world
    mine = ApiClient(token_for(member.user))
    switch(account, True)
    other = rows["other"]

    assert mine.patch(f"/api/clients/{other['clients']}/", {"full_name": "x"}).status_code == 404
    assert mine.post(f"/api/clients/{other['clients']}/notes/", {"body": "x"}).status_code == 404
    assert mine.patch(f"/api/client-notes/{other['client-notes']}/", {"body": "x"}).status_code == 404
    assert mine.post(f"/api/bookings/{other['bookings']}/cancel/", {}).status_code == 404
    with account_scope(account):
        name = Client.objects.get(pk=other["clients"]).full_name
    assert other["clients"] not in [one["id"] for one in mine.get("/api/clients/", {"search": name}).json()["results"]]


def naming_clients():
    """Every call of a practitioner that names a client, or a thing of a client, in its body. Feeds they make of themselves only."""
    for route, method, action in calls(role="staff"):
        serializer = (
            input_serializer(route, method, action)
            if allows(Role.PRACTITIONER, route.basename, action) and route.basename != "calendar-feed"
            else None
        )
        for path, model in related_inputs(serializer):
            if model is Client or any(field.name == "client" for field in model._meta.fields):
                yield pytest.param(route, method, path, model, id=f"{method} {route} {path}")


@pytest.mark.parametrize(("route", "method", "path", "model"), list(naming_clients()))
def test_others_cannot_be_named_in_a_body_either(account, world, route, method, path, model):
    member, rows = world
    mine = ApiClient(token_for(member.user))
    with account_scope(account):
        owned = Client.objects.get(pk=rows["owned"]["clients"])
    pk = factory_of()[route.view.model](account=account, **for_client(route.view.model, owned)).pk if "pk" in route.arguments else None
    body = body_with(path, rows["other"][f"{model._meta.model_name}s"])

    before = getattr(mine, method)(route.url(pk=pk), body)
    switch(account, True)
    after = getattr(mine, method)(route.url(pk=pk), body)

    assert "does not exist" not in str(before.json().get("fields", {}).get(path[0]))
    assert "does not exist" in str(after.json()["fields"][path[0]]), after.json()


def test_whom_they_enter_is_theirs(account, world):
    member, _ = world
    mine = ApiClient(token_for(member.user))
    switch(account, True)

    made = mine.post("/api/clients/", {"full_name": "New"})

    assert (made.status_code, made.json()["owner"]) == (201, member.pk)


@pytest.mark.parametrize("role", ["owner", "manager", "front_desk", "bookkeeper"])
def test_everybody_else_sees_everybody(account, world, client_as, role):
    _, rows = world
    switch(account, True)

    assert client_as(role).get(f"/api/clients/{rows['other']['clients']}/").status_code == 200


def test_the_sql_of_both_is_kept_and_values_are_not(account, world, statements):
    """Two practitioners one after the other: the second must not get the first one's clients out of a kept statement."""
    member, rows = world
    second = MembershipFactory(account=account, role=Role.PRACTITIONER)
    theirs = ClientFactory(account=account, owner=second)
    switch(account, True)
    mine, other = ApiClient(token_for(member.user)), ApiClient(token_for(second.user))

    for _ in range(2):
        assert {one["id"] for one in mine.get("/api/clients/").json()["results"]} == {rows["met"]["clients"], rows["owned"]["clients"]}
        assert [one["id"] for one in other.get("/api/clients/").json()["results"]] == [theirs.pk]
    with statements() as made:
        mine.get("/api/clients/")
    assert len(made()) == 3
