"""Invitations: a membership offered to one e-mail address."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.utils import timezone

from apps.accounts.errors import InvitationExpired
from apps.accounts.models import Account, Invitation, Membership
from apps.accounts.policy import outranks
from apps.accounts.services.members import lock_account, may_invite
from apps.core.errors import Invalid, NotAllowed
from apps.core.events import emit
from apps.core.tenancy import account_scope
from apps.users.models import User
from apps.users.models.user import normalize_email
from apps.users.selectors import has_verified_email

SALT = "accounts.invitation"


@transaction.atomic
def invite(*, by: Membership, email: str, role: str, at: datetime | None = None) -> Invitation:
    """Offer a role to an address for INVITATION_HOURS. An open invitation of the same address is replaced.

    Raises NotAllowed for a role above the sender's, Invalid when the address belongs to an active member.
    """
    at = at or timezone.now()
    email = normalize_email(email)
    lock_account(by.account_id)
    sender = Membership.objects.filter(pk=by.pk).first()
    if sender is None or not may_invite(sender, role):
        raise NotAllowed
    if Membership.objects.filter(user__email=email, is_active=True).exists():
        raise Invalid(fields={"email": ["This person is a member already."]})
    for former in Invitation.objects.filter(email=email, accepted_at=None, revoked_at=None):
        _revoke(former, at)
    invitation = Invitation.objects.create(
        account_id=sender.account_id,
        email=email,
        role=role,
        invited_by_id=sender.user_id,
        expires_at=at + timedelta(hours=settings.INVITATION_HOURS),
    )
    emit("invitation.created", invitation, changes={"role": [None, role]})
    return invitation


@transaction.atomic
def revoke_invitation(invitation: Invitation, *, by: Membership, at: datetime | None = None) -> Invitation:
    """Take an offer back. Revoking twice changes nothing; an accepted one cannot be taken back (InvitationExpired).

    Raises NotAllowed when the role is above the caller's.
    """
    lock_account(invitation.account_id)
    invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if outranks(invitation.role, by.role):
        raise NotAllowed
    if invitation.accepted_at is not None:
        raise InvitationExpired("This invitation was accepted already.")
    if invitation.revoked_at is None:
        _revoke(invitation, at or timezone.now())
    return invitation


def _revoke(invitation: Invitation, at: datetime) -> None:
    invitation.revoked_at = at
    invitation.save(update_fields=["revoked_at", "updated_at"])
    emit("invitation.revoked", invitation)


def token_of(invitation: Invitation) -> str:
    """What the mail carries: signed by the server, so that no dump of the table can make one."""
    return signing.dumps([invitation.account_id, invitation.pk, invitation.nonce], salt=SALT)


def _opened(token: str) -> tuple[int, int, str]:
    try:
        account_id, invitation_id, nonce = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvitationExpired from error
    return account_id, invitation_id, nonce


@transaction.atomic
def accept_invitation(*, user: User, token: str, at: datetime | None = None) -> Membership:
    """Make ``user`` a member; a deactivated membership comes back to life with the new role. An invitation works once.

    Raises InvitationExpired, with one message for every reason: used, revoked, too old, another address, an address that
    is not verified, a sender who may not offer this role any more.
    """
    at = at or timezone.now()
    account_id, invitation_id, nonce = _opened(token)
    with account_scope(account_id):
        account = Account.objects.select_for_update(no_key=True).filter(pk=account_id, status=Account.Status.ACTIVE).first()
        invitation = Invitation.objects.select_for_update().filter(pk=invitation_id, nonce=nonce).first()
        if account is None or invitation is None or not _is_for(invitation, user, at):
            raise InvitationExpired
        membership = Membership.objects.filter(user_id=user.pk).first()
        if membership is not None and membership.is_active:
            raise InvitationExpired
        before: list[Any] = [membership.role, membership.is_active] if membership else [None, None]
        if membership is None:
            membership = Membership.objects.create(account=account, user=user, role=invitation.role)
        else:
            membership.role, membership.is_active = invitation.role, True
            membership.save(update_fields=["role", "is_active", "updated_at"])
        invitation.accepted_at, invitation.accepted_by = at, user
        invitation.save(update_fields=["accepted_at", "accepted_by", "updated_at"])
        emit("invitation.accepted", invitation, changes={"accepted_by": [None, user.pk]})
        emit("membership.changed", membership, changes={"role": [before[0], membership.role], "is_active": [before[1], True]})
    membership.account = account
    return membership


def _is_for(invitation: Invitation, user: User, at: datetime) -> bool:
    if invitation.accepted_at is not None or invitation.revoked_at is not None or invitation.expires_at <= at:
        return False
    if normalize_email(user.email) != invitation.email or not has_verified_email(user):
        return False
    sender = Membership.objects.filter(user_id=invitation.invited_by_id).first()
    return sender is not None and may_invite(sender, invitation.role)
