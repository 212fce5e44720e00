"""The customer door inside one account: what belongs to another client of the same business does not exist either."""

import json

import pytest

from apps.clients.models import Client
from apps.notifications.models import Notification
from apps.orders.models import ClientPackage, Order
from apps.users.models import Customer
from factories.accounts import MembershipFactory, token_for
from factories.clients import ClientFactory
from factories.orders import OrderFactory
from factories.packages import PackageFactory
from factories.users import CustomerFactory
from tests.conftest import ApiClient
from tests.security.routes import body_with, call_id, calls, input_serializer, related_inputs
from tests.security.test_other_accounts import LISTS, SLOTS, UNKNOWN_PK
from tests.security.worlds import PERSONAL, digest, factory_of, for_client


def _of_a_client(model):
    """Whether rows of this model belong to one client of an account, or, as notifications do, to the login of one."""
    return model is Notification or any(f.name == "client" for f in model._meta.fields)


WITH_ID = [call for call in calls(role="customer") if call[0].arguments and call[0].view.model not in PERSONAL]
REFERENCES = [
    pytest.param(route, method, path, model, id=f"{method}-{route}-{'.'.join(map(str, path))}")
    for route, method, action in calls(role="customer")
    for path, model in related_inputs(input_serializer(route, method, action))
    if _of_a_client(model)
]


@pytest.fixture
def neighbour(two_worlds) -> Client:
    """Another client of our account, with a login of their own."""
    ours, _ = two_worlds
    return ClientFactory(account=ours.account, customer=CustomerFactory(), full_name="Neighbour")


def _row(model, neighbour):
    texts = {"name": "Neighbour.pdf"} if any(f.name == "name" for f in model._meta.fields) else {}
    if model is ClientPackage:
        package = PackageFactory(account=neighbour.account)
        return OrderFactory(account=neighbour.account, client=neighbour, order_type=Order.Type.PACKAGE, package=package, service=None)
    if model is Notification:
        return factory_of()[model](account=neighbour.account, user=neighbour.customer.user)
    return factory_of()[model](account=neighbour.account, **for_client(model, neighbour), **texts)


def _send(client, method, url, body=None):
    return getattr(client, method)(url) if method in ("get", "delete") else getattr(client, method)(url, body or {})


def _answer(response):
    body = json.loads(response.content)
    assert body.pop("request_id")
    return response.status_code, body


def test_every_customer_route_with_an_id_serves_rows_of_a_client():
    assert {route.basename for route, _, _ in WITH_ID} >= {
        "customer-booking",
        "customer-document",
        "customer-review",
        "customer-order",
        "customer-package",
        "customer-payment",
        "customer-invoice",
    }
    assert [route for route, _, _ in WITH_ID if not _of_a_client(route.view.model)] == []


@pytest.mark.parametrize(("route", "method", "action"), WITH_ID, ids=call_id)
def test_another_clients_row_is_not_found(two_worlds, neighbour, route, method, action):
    ours, _ = two_worlds
    row = _row(route.view.model, neighbour)
    me, them = ApiClient(token_for(ours.owner)), ApiClient(token_for(neighbour.customer.user))
    before = digest(ours.account)

    foreign = _send(me, method, route.url(**route.named_by(row)))
    unknown = _send(me, method, route.url(pk=UNKNOWN_PK))

    assert _answer(foreign) == _answer(unknown) == (404, {"error": "not_found", "message": "Not found."})
    assert foreign.headers.keys() == unknown.headers.keys()
    assert digest(ours.account) == before
    assert _send(them, method, route.url(**route.named_by(row))).status_code != 404  # the control


@pytest.mark.parametrize(("route", "method", "path", "model"), REFERENCES)
def test_another_clients_row_in_a_body_does_not_exist(two_worlds, neighbour, route, method, path, model):
    ours, _ = two_worlds
    row, me = _row(model, neighbour), ApiClient(token_for(ours.owner))
    url, name = route.at(ours), ".".join(map(str, path))
    before = digest(ours.account)

    for pk in (row.pk, UNKNOWN_PK):
        response = _send(me, method, url, body_with(path, pk))
        assert (response.status_code, response.json()["fields"][name]) == (400, [f'Invalid pk "{pk}" - object does not exist.'])

    assert digest(ours.account) == before


@pytest.mark.parametrize(
    ("route", "method", "action"),
    [call for call in LISTS if call[0].view.role == "customer" and call[0].basename not in SLOTS and call[0].view.model not in PERSONAL],
    ids=call_id,
)
def test_lists_show_nobody_else_of_the_account(two_worlds, neighbour, route, method, action):
    ours, theirs = two_worlds
    row = _row(route.view.model, neighbour)
    seen = {
        name: {found["id"] for found in ApiClient(token_for(user)).get(route.path).json()["results"]}
        for name, user in (("me", ours.owner), ("neighbour", neighbour.customer.user), ("elsewhere", theirs.owner))
    }

    assert seen["neighbour"] == {row.pk}
    assert seen["me"]
    assert row.pk not in seen["me"] | seen["elsewhere"]


@pytest.mark.parametrize(("route", "method", "action"), calls(role="customer"), ids=call_id)
def test_staff_without_a_profile_are_no_customers(two_worlds, route, method, action):
    ours, _ = two_worlds
    manager = MembershipFactory(account=ours.account).user
    assert not Customer.objects.filter(user=manager).exists()

    response = _send(ApiClient(token_for(manager)), method, route.at(ours))

    assert (response.status_code, response.json()["error"]) == (403, "permission_denied")
