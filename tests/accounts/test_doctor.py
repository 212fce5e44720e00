"""The invariants of people and accounts find what breaks them, and nothing else."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import ApiToken, Invitation, Membership
from apps.core.doctor import findings
from apps.core.tenancy import platform_scope
from apps.users.models import User
from factories.accounts import InvitationFactory, MembershipFactory, token_for
from factories.users import UserFactory

pytestmark = pytest.mark.django_db


def broken():
    with platform_scope("test"):
        return [one.code for one, found in findings() if found]


@pytest.fixture
def boss(account):
    member = MembershipFactory(account=account)
    token_for(member.user)
    InvitationFactory(account=account, invited_by=member.user)
    return member


def change(model, **fields):
    with platform_scope("test"):
        model._base_manager.update(**fields)


def test_sound_data_breaks_nothing(boss):
    assert broken() == []


def test_i21_finds_an_account_without_an_owner(boss):
    change(Membership, role="manager")

    assert broken() == ["I21"]


def test_i21_finds_an_owner_who_may_not_sign_in(boss):
    ApiToken.objects.all().delete()
    change(User, is_active=False)

    assert broken() == ["I21"]


@pytest.mark.parametrize("days", [1, -1])
def test_i27_finds_late_acceptances(boss, days):
    accepter = UserFactory(email="ada@example.test")
    now = timezone.now()

    change(Invitation, email="ada@example.test", accepted_by=accepter, accepted_at=now, expires_at=now + timedelta(days=days))

    assert broken() == ([] if days > 0 else ["I27"])


def test_i27_finds_another_address_but_remembers_former_ones(boss):
    accepter = UserFactory(email="ada@example.test")
    change(Invitation, email="ada@example.test", accepted_by=accepter, accepted_at=timezone.now())
    accepter.email = "lovelace@example.test"
    accepter.save()
    assert broken() == []

    change(Invitation, email="grace@example.test")
    assert broken() == ["I27"]


def test_i27_finds_an_offer_above_its_sender(boss, account):
    manager = MembershipFactory(account=account, role="manager")
    change(Invitation, invited_by=manager.user)
    assert broken() == []

    change(Invitation, role="owner")
    assert broken() == ["I27"]


def test_i28_finds_tokens_of_inactive_users_and_without_expiry(boss):
    user = UserFactory()
    token_for(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert broken() == ["I28"]

    User.objects.filter(pk=user.pk).update(is_active=True)
    assert broken() == []
    ApiToken.objects.update(expiry=None)
    assert broken() == ["I28"]
