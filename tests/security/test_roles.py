"""Who may knock: the policy table against the routes that exist, and the answers of every route to every role."""

import pytest
from django.db import transaction

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Account, Role
from apps.accounts.policy import POLICY, allows
from apps.core.api.doors import Door
from factories.accounts import MembershipFactory, token_for
from factories.users import UserFactory
from tests.conftest import ApiClient
from tests.security.routes import NOT_DOORS, all_patterns, call_id, calls, routes

# What asks the policy and has no address in the API: a page of the admin, and what an action may be asked to bend.
ADMIN_ONLY = {("event", "retrieve"), ("booking-override", "use")}
# What anybody may do without a credential.
OPEN = {("token", "create"), ("claim", "create")}
# DRF's words when the door says no; a service that refuses a member says so in its own.
THE_DOORS_NO = "You do not have permission to perform this action."
SOME_PK = {"pk": "1"}


def test_every_view_under_api_is_a_door():
    doors = {route.path for route in routes()}

    others = {path for path, _ in all_patterns() if path.startswith("/api/")} - doors

    assert others == NOT_DOORS


def test_every_staff_route_is_declared_and_every_declaration_is_a_route():
    served = {(route.basename, action) for route, _, action in calls(role="staff")}
    declared = {(basename, action) for basename, actions in POLICY.items() for action in actions if (basename, action) not in ADMIN_ONLY}

    assert served - declared == set()
    assert declared - served == set()


def test_every_declared_action_has_somebody_who_may():
    assert [(b, a) for b, actions in POLICY.items() for a, roles in actions.items() if not roles or not roles <= set(Role)] == []


@pytest.mark.parametrize("role", [*Role, "", "superuser"])
def test_what_is_not_declared_is_allowed_to_nobody(role):
    assert not allows(role, "nothing", "list")
    assert not allows(role, "package", "undeclared")


def _open(client, method, url):
    """The answer, with everything that the call changed taken back."""
    with transaction.atomic():
        response = getattr(client, method)(url, **({} if method in ("get", "delete") else {"data": {}}))
        transaction.set_rollback(True)
    return response


@pytest.mark.parametrize(("route", "method", "action"), calls(role="staff"), ids=call_id)
def test_staff_routes_open_to_the_roles_of_the_policy(two_worlds, route, method, action):
    ours, _ = two_worlds
    url = route.at(ours)

    refused = {}
    for role in Role:
        client = ApiClient(token_for(MembershipFactory(account=ours.account, role=role).user))
        response = _open(client, method, url)
        assert response.status_code < 500, response.content
        assert response.status_code not in (401, 405), response.content
        refused[role] = response.status_code == 403 and response.json()["message"] == THE_DOORS_NO

    assert {role for role, no in refused.items() if not no} == POLICY[route.basename][action]


@pytest.mark.parametrize(("route", "method", "action"), calls(), ids=call_id)
def test_without_a_credential_nothing_opens(db, route, method, action):
    response = _open(ApiClient(), method, route.url(**dict.fromkeys(route.arguments, "1")))

    if (route.basename, action) in OPEN or route.view.role == "public":
        assert response.status_code not in (401, 403)
    else:
        assert (response.status_code, response.json()["error"]) == (401, "not_authenticated")


@pytest.mark.parametrize(("route", "method", "action"), calls(role="staff"), ids=call_id)
def test_whoever_is_no_active_member_gets_nowhere(account, route, method, action):
    url = route.url(**dict.fromkeys(route.arguments, "1"))
    closed = MembershipFactory(account__slug="closed", account__status=Account.Status.CLOSED)
    nobodies = [
        UserFactory(),
        MembershipFactory(account=account, is_active=False).user,
        closed.user,
    ]

    for user in nobodies:
        response = _open(ApiClient(token_for(user)), method, url)
        assert (response.status_code, response.json()["error"]) == (403, "permission_denied")

    member_elsewhere = MembershipFactory().user
    response = _open(ApiClient(token_for(member_elsewhere), **{"X-Account": account.slug}), method, url)
    assert (response.status_code, response.json()["error"]) == (403, "permission_denied")


@pytest.mark.parametrize(("route", "method", "action"), calls(role="customer"), ids=call_id)
def test_customer_routes_need_a_customer_profile(db, route, method, action):
    client = ApiClient(token_for(UserFactory()))

    response = _open(client, method, route.url(**dict.fromkeys(route.arguments, "1")))

    assert (response.status_code, response.json()["error"]) == (403, "permission_denied")


@pytest.mark.parametrize("route", routes(), ids=call_id)
def test_put_and_trace_are_answered_nowhere(two_worlds, route):
    ours, _ = two_worlds
    client = ApiClient(token_for(ours.owner))

    for method in ("put", "trace"):
        response = client.generic(method.upper(), route.at(ours, **dict.fromkeys(set(route.arguments) - {"slug"}, "1")))
        assert (response.status_code, response.json()["error"]) == (405, "method_not_allowed")


def test_a_door_that_says_nothing_lets_nobody_in(rf):
    class Silent(Door):
        role = "staff"
        model = Account

        def list(self, request):
            raise AssertionError("reached")

    response = Silent.as_view({"get": "list"}, basename="package")(rf.get("/"))

    assert response.status_code in (401, 403)


def test_a_staff_view_outside_the_policy_is_refused_to_the_owner(rf, two_worlds):
    ours, _ = two_worlds

    class Undeclared(StaffViewSet):
        model = Account

        def list(self, request):
            raise AssertionError("reached")

    request = rf.get("/", headers={"Authorization": f"Token {token_for(ours.owner)}"})
    response = Undeclared.as_view({"get": "list"}, basename="undeclared")(request)

    assert response.status_code == 403
