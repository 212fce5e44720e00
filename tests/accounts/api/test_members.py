"""/api/members/: roles, leaving, and the last owner."""

import threading

import pytest
from django.db import connections

from apps.accounts.models import Invitation, Membership, Role
from apps.accounts.services import members
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.accounts import AccountFactory, InvitationFactory, MembershipFactory, token_for
from factories.catalog import PractitionerFactory
from factories.users import CustomerFactory
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db


def client_of(membership):
    return ApiClient(token_for(membership.user))


def role_of(membership):
    with account_scope(membership.account_id):
        found = Membership.objects.filter(pk=membership.pk).first()
    return found and (found.role if found.is_active else "inactive")


@pytest.mark.parametrize("count", [1, 3])
def test_list_members_takes_a_fixed_number_of_statements(account, count, statements):
    people = [MembershipFactory(account=account, user=CustomerFactory(full_name="Ada").user) for _ in range(count)]
    client = client_of(people[0])

    with statements() as made:
        response = client.get("/api/members/")

    assert len(response.json()["results"]) == count
    assert response.json()["results"][-1] == {
        **response.json()["results"][-1],
        "user": people[0].user_id,
        "email": people[0].user.email,
        "full_name": "Ada",
        "role": "owner",
        "is_active": True,
    }
    assert len(made()) == 3  # token, membership, members


def test_filters_and_search(owner, account):
    MembershipFactory(account=account, role="manager", user__email="grace@example.test")
    MembershipFactory(account=account, role="manager", is_active=False)

    assert len(owner.get("/api/members/?role=manager").json()["results"]) == 2
    assert len(owner.get("/api/members/?role=manager&is_active=true").json()["results"]) == 1
    assert len(owner.get("/api/members/?search=grace").json()["results"]) == 1
    assert owner.get("/api/members/?role=king").status_code == 400
    assert owner.get("/api/members/?nonsense=1").json()["error"] == "unknown_field"


def test_members_come_by_invitation_only(owner):
    assert owner.post("/api/members/", {"role": "manager"}).status_code == 405


def test_an_owner_changes_a_role_and_the_event_says_so(owner, account):
    member = MembershipFactory(account=account, role="front_desk")

    response = owner.patch(f"/api/members/{member.pk}/", {"role": "manager"})

    assert (response.status_code, response.json()["role"]) == (200, "manager")
    with account_scope(account):
        event = Event.objects.get(type="membership.changed")
        assert (event.subject_id, event.changes) == (member.pk, {"role": ["front_desk", "manager"]})
        assert Membership.history.filter(id=member.pk).count() == 2


@pytest.mark.parametrize(
    ("caller", "target", "change", "status"),
    [
        ("manager", "front_desk", {"role": "manager"}, 200),
        ("manager", "front_desk", {"is_active": False}, 200),
        ("manager", "manager", {"role": "practitioner"}, 200),
        ("manager", "front_desk", {"role": "owner"}, 403),
        ("manager", "owner", {"role": "front_desk"}, 403),
        ("manager", "owner", {"is_active": False}, 403),
        ("front_desk", "practitioner", {"role": "manager"}, 403),
        ("owner", "owner", {"role": "manager"}, 200),
        ("owner", "manager", {"role": "owner"}, 200),
    ],
)
def test_who_may_change_whom(client_as, account, caller, target, change, status):
    member = MembershipFactory(account=account, role=target)
    before = role_of(member)

    response = client_as(caller).patch(f"/api/members/{member.pk}/", change)

    assert response.status_code == status
    assert (role_of(member) == before) is (status == 403)


def test_a_manager_does_not_make_themselves_owner(account):
    MembershipFactory(account=account)
    manager = MembershipFactory(account=account, role="manager")

    assert client_of(manager).patch(f"/api/members/{manager.pk}/", {"role": "owner"}).status_code == 403
    assert role_of(manager) == "manager"


@pytest.mark.parametrize(
    ("caller", "target", "status"),
    [("owner", "owner", 204), ("manager", "practitioner", 204), ("manager", "owner", 403), ("front_desk", "practitioner", 403)],
)
def test_who_may_remove_whom(client_as, account, caller, target, status):
    member = MembershipFactory(account=account, role=target)

    assert client_as(caller).delete(f"/api/members/{member.pk}/").status_code == status
    assert (role_of(member) is None) is (status == 204)


def test_everybody_may_leave(account):
    MembershipFactory(account=account)
    member = MembershipFactory(account=account, role="practitioner")
    practitioner = PractitionerFactory(account=account, member=member)

    assert client_of(member).delete(f"/api/members/{member.pk}/").status_code == 204

    assert role_of(member) is None
    with account_scope(account):
        practitioner.refresh_from_db()
        assert practitioner.member_id is None
        assert Event.objects.get(type="membership.removed").subject_id == member.pk
        assert Membership.history.filter(id=member.pk, history_type="-").exists()


@pytest.mark.parametrize("change", [{"role": "manager"}, {"is_active": False}, None])
def test_the_last_active_owner_stays(account, change):
    last = MembershipFactory(account=account)
    MembershipFactory(account=account, is_active=False)
    MembershipFactory(account=account, user__is_active=False)
    MembershipFactory(role="owner")  # elsewhere
    client = client_of(last)

    path = f"/api/members/{last.pk}/"
    response = client.delete(path) if change is None else client.patch(path, change)

    assert (response.status_code, response.json()["error"]) == (409, "last_owner")
    assert role_of(last) == "owner"


def test_members_of_another_account_are_not_found(owner, other_account):
    foreign = MembershipFactory(account=other_account)

    for method, arguments in (("get", ()), ("patch", ({"role": "manager"},)), ("delete", ())):
        assert getattr(owner, method)(f"/api/members/{foreign.pk}/", *arguments).status_code == 404
    assert role_of(foreign) == "owner"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"role": "king"}, "validation_error"),
        ({"role": None}, "validation_error"),
        ({"is_active": "maybe"}, "validation_error"),
        ({"user": 1}, "unknown_field"),
        ({"account": 1}, "unknown_field"),
        ({"email": "x@example.test"}, "unknown_field"),
    ],
)
def test_patch_member_refuses_bad_input(owner, account, change, code):
    member = MembershipFactory(account=account, role="front_desk")

    response = owner.patch(f"/api/members/{member.pk}/", change)

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, list(change))


def test_deactivated_members_are_outside_at_once(owner, account):
    member = MembershipFactory(account=account, role="manager")
    client = client_of(member)
    assert client.get("/api/members/").status_code == 200

    owner.patch(f"/api/members/{member.pk}/", {"is_active": False})

    assert client.get("/api/members/").status_code == 403


def test_a_lost_role_takes_its_open_invitations_along(owner, account):
    manager = MembershipFactory(account=account, role="manager")
    open_one = InvitationFactory(account=account, invited_by=manager.user)
    others = InvitationFactory(account=account, invited_by=MembershipFactory(account=account).user)

    owner.patch(f"/api/members/{manager.pk}/", {"role": "front_desk"})

    with account_scope(account):
        assert Invitation.objects.get(pk=open_one.pk).revoked_at is not None
        assert Invitation.objects.get(pk=others.pk).revoked_at is None


def race_of_two_owners():
    """Two owners remove each other at the same moment; returns the answers and who is left."""
    account = AccountFactory()
    pair = [MembershipFactory(account=account) for _ in range(2)]
    barrier, statuses = threading.Barrier(2), []

    def run(caller, target):
        client = client_of(caller)
        barrier.wait()
        try:
            statuses.append(client.delete(f"/api/members/{target.pk}/").status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(pair[i], pair[1 - i])) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with account_scope(account):
        return sorted(statuses), Membership.objects.filter(role=Role.OWNER, is_active=True).count()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_leave_one():
    for _ in range(5):
        statuses, left = race_of_two_owners()
        assert (statuses, left) == ([204, 403], 1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_negative_control_without_the_lock_no_owner_is_left(monkeypatch):
    both_decided = threading.Barrier(2, timeout=5)

    def unlocked_pair(membership, by):
        both_decided.wait()
        return membership, by

    monkeypatch.setattr(members, "_locked_pair", unlocked_pair)
    keep = members._keep_an_owner

    def decide_then_wait(membership):
        keep(membership)
        both_decided.wait()

    monkeypatch.setattr(members, "_keep_an_owner", decide_then_wait)

    assert race_of_two_owners() == ([204, 204], 0)
