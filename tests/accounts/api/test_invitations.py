"""/api/invitations/: offered, mailed, accepted once."""

import re
import threading
from datetime import timedelta

import pytest
from django.core import mail, signing
from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.models import Account, Invitation, Membership
from apps.accounts.services import invitations
from apps.accounts.services.invitations import SALT, invite, token_of
from apps.core import jobs
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.users.services import confirm_email, create_customer
from factories.accounts import AccountFactory, InvitationFactory, MembershipFactory, token_for
from factories.users import PASSWORD
from tests.accounts.conftest import verified_customer
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(account):
    return MembershipFactory(account=account)


@pytest.fixture
def invitation(boss):
    return InvitationFactory(account=boss.account, email="ada@example.test", role="front_desk", invited_by=boss.user)


@pytest.fixture
def guest():
    return ApiClient(token_for(verified_customer().user))


def accept(client, token):
    return client.post("/api/invitations/accept/", {"token": token})


def members_of(account):
    with account_scope(account):
        return sorted(Membership.objects.values_list("user__email", "role", "is_active"))


def test_create_invitation_and_its_events(boss, account):
    client = ApiClient(token_for(boss.user))

    response = client.post("/api/invitations/", {"email": "Ada@Example.test", "role": "front_desk"})

    assert response.status_code == 201
    body = response.json()
    assert (body["email"], body["role"], body["status"], body["invited_by"]) == ("ada@example.test", "front_desk", "open", boss.user_id)
    assert "nonce" not in body
    assert "token" not in body
    with account_scope(account):
        created = Invitation.objects.get()
        assert created.expires_at - created.created_at == pytest.approx(timedelta(hours=72), abs=timedelta(seconds=5))
        assert Event.objects.get(type="invitation.created").subject_id == created.pk


@pytest.mark.parametrize(
    ("caller", "role", "status"),
    [
        ("owner", "owner", 201),
        ("manager", "manager", 201),
        ("manager", "owner", 403),
        ("front_desk", "front_desk", 403),
        ("practitioner", "practitioner", 403),
        ("bookkeeper", "bookkeeper", 403),
        (None, "front_desk", 401),
    ],
)
def test_who_may_invite_whom(client_as, caller, role, status):
    response = client_as(caller).post("/api/invitations/", {"email": "ada@example.test", "role": role})

    assert response.status_code == status


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"email": "nobody"}, "validation_error"),
        ({"email": "a@example.test\nBcc: b@example.test"}, "validation_error"),
        ({"email": "boss@example.test"}, "validation_error"),
        ({"role": "king"}, "validation_error"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, "unknown_field"),
        ({"invited_by": 1}, "unknown_field"),
        ({"nonce": "x"}, "unknown_field"),
        ({"account": 1}, "unknown_field"),
    ],
)
def test_create_invitation_refuses_bad_input(account, change, code):
    boss = MembershipFactory(account=account, user__email="boss@example.test")

    response = ApiClient(token_for(boss.user)).post("/api/invitations/", {"email": "ada@example.test", "role": "front_desk", **change})

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, list(change))
    with account_scope(account):
        assert not Invitation.objects.exists()


@pytest.mark.parametrize("count", [1, 3])
def test_list_invitations_takes_a_fixed_number_of_statements(boss, count, statements):
    InvitationFactory.create_batch(count, account=boss.account)
    client = ApiClient(token_for(boss.user))

    with statements() as made:
        response = client.get("/api/invitations/")

    assert len(response.json()["results"]) == count
    assert len(made()) == 3  # token, membership, invitations


def test_accept_makes_a_member_with_the_role_of_the_invitation(invitation, guest, account):
    response = accept(guest, token_of(invitation))

    assert response.status_code == 201
    assert (response.json()["account"]["slug"], response.json()["role"]) == ("berlin", "front_desk")
    assert ("ada@example.test", "front_desk", True) in members_of(account)
    assert guest.get("/api/account/").json()["id"] == account.pk
    with account_scope(account):
        types = list(Event.objects.order_by("id").values_list("type", flat=True))
        assert types == ["invitation.accepted", "membership.changed"]


def test_an_invitation_works_once(invitation, guest, account):
    accept(guest, token_of(invitation))
    with account_scope(account):
        Membership.objects.get(user__email="ada@example.test").delete()

    again = accept(guest, token_of(invitation))

    assert (again.status_code, again.json()["error"]) == (409, "invitation_expired")
    assert len(members_of(account)) == 1


def test_a_deactivated_member_comes_back_with_the_new_role(invitation, account):
    person = verified_customer()
    MembershipFactory(account=account, user=person.user, role="manager", is_active=False)

    assert accept(ApiClient(token_for(person.user)), token_of(invitation)).status_code == 201

    assert ("ada@example.test", "front_desk", True) in members_of(account)


def test_an_active_member_is_not_changed_by_an_invitation(invitation, account):
    person = verified_customer()
    MembershipFactory(account=account, user=person.user, role="manager")

    assert accept(ApiClient(token_for(person.user)), token_of(invitation)).status_code == 409

    assert ("ada@example.test", "manager", True) in members_of(account)


def expire(invitation):
    Invitation._base_manager.filter(pk=invitation.pk).update(expires_at=timezone.now())


def revoke(invitation):
    Invitation._base_manager.filter(pk=invitation.pk).update(revoked_at=timezone.now())


def readdress(invitation):
    Invitation._base_manager.filter(pk=invitation.pk).update(email="grace@example.test")


def new_nonce(invitation):
    Invitation._base_manager.filter(pk=invitation.pk).update(nonce="0" * 32)


def demote_sender(invitation):
    Membership._base_manager.filter(user_id=invitation.invited_by_id).update(role="front_desk")


def deactivate_sender(invitation):
    Membership._base_manager.filter(user_id=invitation.invited_by_id).update(is_active=False)


def remove_sender(invitation):
    Membership._base_manager.filter(user_id=invitation.invited_by_id).delete()


def raise_above_sender(invitation):
    Membership._base_manager.filter(user_id=invitation.invited_by_id).update(role="manager")
    Invitation._base_manager.filter(pk=invitation.pk).update(role="owner")


def close_account(invitation):
    Account.objects.filter(pk=invitation.account_id).update(status="closed")


@pytest.mark.parametrize(
    "spoil", [expire, revoke, readdress, new_nonce, demote_sender, deactivate_sender, remove_sender, raise_above_sender, close_account]
)
def test_what_is_not_valid_any_more_is_refused_in_the_same_words(invitation, guest, account, spoil):
    token = token_of(invitation)
    with account_scope(account):
        spoil(invitation)

    response = accept(guest, token)

    assert (response.status_code, response.json()["error"]) == (409, "invitation_expired")
    assert response.json()["message"] == "This invitation is not valid (any more). Ask for a new one."
    assert not [email for email, _, _ in members_of(account) if email == "ada@example.test"]


def test_an_unverified_address_accepts_nothing(invitation, account):
    person = create_customer(email="ada@example.test", password=PASSWORD)
    client = ApiClient(token_for(person.user))

    assert accept(client, token_of(invitation)).status_code == 409
    confirm_email(user=person.user)
    assert accept(client, token_of(invitation)).status_code == 201


@pytest.mark.parametrize("forge", ["wrong signature", "wrong salt", "other account", "not a list", "nonsense", "empty"])
def test_forged_tokens_are_refused(invitation, guest, account, other_account, forge):
    content = [invitation.account_id, invitation.pk, invitation.nonce]
    token = {
        "wrong signature": token_of(invitation)[:-1] + ("A" if token_of(invitation)[-1] != "A" else "B"),
        "wrong salt": signing.dumps(content, salt="something.else"),
        "other account": signing.dumps([other_account.pk, invitation.pk, invitation.nonce], salt=SALT),
        "not a list": signing.dumps(5, salt=SALT),
        "nonsense": "abc:def:ghi",
        "empty": ":::",
    }[forge]

    assert accept(guest, token).status_code == 409
    assert len(members_of(account)) == 1


@pytest.mark.parametrize(
    "body", [{}, {"token": ""}, {"token": None}, {"token": ["x"]}, {"token": "x" * 501}, {"token": "x", "role": "owner"}]
)
def test_accept_refuses_bad_input(guest, body):
    assert guest.post("/api/invitations/accept/", body).status_code == 400


def test_revoked_by_delete(boss, invitation, guest):
    client = ApiClient(token_for(boss.user))

    assert client.delete(f"/api/invitations/{invitation.pk}/").status_code == 204
    assert client.get(f"/api/invitations/{invitation.pk}/").json()["status"] == "revoked"
    assert client.delete(f"/api/invitations/{invitation.pk}/").status_code == 204
    assert accept(guest, token_of(invitation)).status_code == 409


def test_an_accepted_one_cannot_be_revoked(boss, invitation, guest):
    accept(guest, token_of(invitation))

    response = ApiClient(token_for(boss.user)).delete(f"/api/invitations/{invitation.pk}/")

    assert (response.status_code, response.json()["error"]) == (409, "invitation_expired")


def test_a_manager_does_not_revoke_the_offer_of_an_owners_role(client_as, boss):
    invitation = InvitationFactory(account=boss.account, role="owner", invited_by=boss.user)

    assert client_as("manager").delete(f"/api/invitations/{invitation.pk}/").status_code == 403


def test_a_new_invitation_replaces_the_open_one(boss, account):
    with account_scope(account):
        first, second = (invite(by=boss, email="ada@example.test", role="manager") for _ in range(2))
        first.refresh_from_db()
        assert (first.revoked_at is None, second.revoked_at) == (False, None)


def test_invitations_of_another_account_are_not_found(owner, other_account):
    foreign = InvitationFactory(account=other_account)

    assert owner.get(f"/api/invitations/{foreign.pk}/").status_code == 404
    assert owner.delete(f"/api/invitations/{foreign.pk}/").status_code == 404
    assert owner.get("/api/invitations/").json()["results"] == []
    assert owner.patch(f"/api/invitations/{foreign.pk}/", {"role": "owner"}).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_the_mail_is_sent_after_commit_and_its_link_works():
    account = AccountFactory(name="Berlin\nStudio")
    boss = MembershipFactory(account=account)
    client = ApiClient(token_for(boss.user))
    client.post("/api/invitations/", {"email": "ada@example.test", "role": "practitioner"})
    client.post("/api/invitations/", {"email": "grace@example.test", "role": "manager"})
    with account_scope(account):
        revoke(Invitation.objects.get(email="grace@example.test"))
    assert mail.outbox == []

    jobs.run_pending()

    [message] = mail.outbox
    assert (message.to, message.subject) == (["ada@example.test"], "Berlin Studio invites you")
    link = re.search(r"^http://localhost:3000/invitations/(\S+)$", message.body, re.MULTILINE)
    assert "practitioner" in message.body
    guest = ApiClient(token_for(verified_customer().user))
    assert accept(guest, link[1].replace("%3A", ":")).status_code == 201


def race_of_twenty():
    """Twenty acceptances of one invitation at the same moment; returns the answers and the number of memberships made."""
    account = AccountFactory()
    boss = MembershipFactory(account=account)
    person = verified_customer(f"{account.slug}@example.test")
    invitation = InvitationFactory(account=account, email=person.email, invited_by=boss.user)
    token, client_token = token_of(invitation), token_for(person.user)
    barrier, statuses = threading.Barrier(20), []

    def run():
        client = ApiClient(client_token)
        barrier.wait()
        try:
            statuses.append(accept(client, token).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with account_scope(account):
        return sorted(statuses), Event.objects.filter(type="invitation.accepted").count(), Membership.objects.count() - 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_twenty_acceptances_make_one_membership():
    assert race_of_twenty() == ([201] + [409] * 19, 1, 1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_negative_control_without_the_locks_several_decide_to_accept(monkeypatch):
    decided = threading.Barrier(20, timeout=20)
    is_for = invitations._is_for

    def decide_together(*arguments):
        answer = is_for(*arguments)
        decided.wait()
        return answer

    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
    monkeypatch.setattr(invitations, "_is_for", decide_together)

    statuses, _, _ = race_of_twenty()

    assert statuses != [201] + [409] * 19
