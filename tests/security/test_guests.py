"""Guest tokens, over all routes: they open what says so at the customer door, for one client, and nothing anywhere else."""

import pytest

from apps.clients.api.doors import ClientDoor
from apps.clients.models import Client
from tests.clients.links import as_guest
from tests.security.routes import call_id, calls
from tests.security.test_other_accounts import UNKNOWN_PK
from tests.security.test_other_clients import WITH_ID, _answer, _row, _send, neighbour
from tests.security.test_roles import OPEN
from tests.security.worlds import digest

__all__ = ["neighbour"]

OPENED = {
    "customer-booking",
    "customer-document",
    "customer-invoice",
    "customer-order",
    "customer-package",
    "customer-payment",
    "customer-review",
    "customer-slot",
}
"""Everything a guest token opens: a view is added here by hand, after somebody has looked for uses of ``customer`` in it."""


def opens(route):
    return issubclass(route.view, ClientDoor) and route.view.guests


@pytest.fixture
def guest(two_worlds):
    ours, _ = two_worlds
    return as_guest(ours.of(Client))


def test_the_views_for_guests_are_these():
    assert {route.basename for route, _, _ in calls() if opens(route)} == OPENED


@pytest.mark.parametrize(("route", "method", "action"), calls(role="customer"), ids=call_id)
def test_a_guest_token_opens_what_says_so(two_worlds, guest, route, method, action):
    ours, _ = two_worlds
    url = route.at(ours) if opens(route) else route.url(**dict.fromkeys(route.arguments, "1"))

    response = _send(guest, method, url)

    if opens(route):
        assert response.status_code not in (401, 403, 404)
        assert response.status_code < 500, response.content
    else:
        assert (response.status_code, response.json()["error"]) == (403, "permission_denied")


# Sign-in and claims ask for no token at all.
OTHERS = [call for call in (*calls(role="staff"), *calls(role="session")) if (call[0].basename, call[2]) not in OPEN]


@pytest.mark.parametrize(("route", "method", "action"), OTHERS, ids=call_id)
def test_a_guest_token_opens_nothing_at_other_doors(guest, route, method, action):
    response = _send(guest, method, route.url(**dict.fromkeys(route.arguments, "1")))

    assert (response.status_code, response.json()["error"]) == (403, "permission_denied")


@pytest.mark.parametrize(("route", "method", "action"), [call for call in WITH_ID if opens(call[0])], ids=call_id)
def test_another_clients_row_is_not_found_by_a_guest(two_worlds, neighbour, guest, route, method, action):
    ours, theirs = two_worlds
    row = _row(route.view.model, neighbour)
    before = digest(ours.account)

    answers = [_answer(_send(guest, method, url)) for url in (route.url(pk=row.pk), route.at(theirs), route.url(pk=UNKNOWN_PK))]

    assert answers == [(404, {"error": "not_found", "message": "Not found."})] * 3
    assert digest(ours.account) == before
    assert _send(as_guest(neighbour), method, route.url(pk=row.pk)).status_code != 404  # the control
