"""Who works in an account, and as what."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.errors import LastOwner
from apps.accounts.models import Account, Invitation, Membership, Role
from apps.accounts.policy import MANAGERS, outranks
from apps.core.errors import NotAllowed, NotFound
from apps.core.events import emit


def lock_account(account_id: int) -> Account:
    """Take the account's row until the transaction ends: all changes of members and invitations queue up here."""
    return Account.objects.select_for_update(no_key=True).get(pk=account_id)


def _locked_pair(membership: Membership, by: Membership) -> tuple[Membership, Membership]:
    """Both memberships as they are now, after the account was locked. Raises NotFound, NotAllowed."""
    lock_account(membership.account_id)
    wanted: QuerySet[Membership] = Membership.objects.select_for_update().filter(pk__in=[membership.pk, by.pk])
    current = {m.pk: m for m in wanted.order_by("pk")}
    if by.pk not in current or not current[by.pk].is_active:
        raise NotAllowed
    if membership.pk not in current:
        raise NotFound
    return current[membership.pk], current[by.pk]


@transaction.atomic
def change_member(membership: Membership, *, by: Membership, role: str | None = None, is_active: bool | None = None) -> Membership:
    """Change a member's role, or let them in and out. ``by`` is who does it, judged by their role of this moment.

    Raises NotAllowed: a manager touches no owner, and nobody raises anybody above themselves. Raises LastOwner.
    """
    membership, by = _locked_pair(membership, by)
    new_role = role if role is not None else membership.role
    new_state = is_active if is_active is not None else membership.is_active
    if by.role not in MANAGERS or outranks(membership.role, by.role) or outranks(new_role, by.role):
        raise NotAllowed
    changes: dict[str, list[Any]] = {}
    if new_role != membership.role:
        changes["role"] = [membership.role, new_role]
    if new_state != membership.is_active:
        changes["is_active"] = [membership.is_active, new_state]
    if not changes:
        return membership
    if not (new_state and new_role == Role.OWNER):
        _keep_an_owner(membership)
    membership.role, membership.is_active = new_role, new_state
    membership.save(update_fields=[*changes, "updated_at"])
    emit("membership.changed", membership, changes=changes)
    _revoke_invitations_beyond(membership)
    return membership


@transaction.atomic
def remove_member(membership: Membership, *, by: Membership) -> None:
    """Take somebody out of the account; everybody may leave by themselves. The history keeps the membership.

    Raises NotAllowed (a manager removes no owner) and LastOwner.
    """
    membership, by = _locked_pair(membership, by)
    if membership.pk != by.pk and (by.role not in MANAGERS or outranks(membership.role, by.role)):
        raise NotAllowed
    _keep_an_owner(membership)
    membership.is_active = False
    _revoke_invitations_beyond(membership)
    emit("membership.removed", membership, changes={"user": [membership.user_id, None], "role": [membership.role, None]})
    membership.delete()


def _keep_an_owner(membership: Membership) -> None:
    if membership.role != Role.OWNER or not membership.is_active:
        return
    owners = Membership.objects.filter(role=Role.OWNER, is_active=True, user__is_active=True)
    if not owners.exclude(pk=membership.pk).exists():
        raise LastOwner


def may_invite(membership: Membership, role: str) -> bool:
    """Whether this member may (still) offer this role."""
    return membership.is_active and membership.role in MANAGERS and not outranks(role, membership.role)


def _revoke_invitations_beyond(membership: Membership) -> None:
    """Open invitations end when their sender may not offer that role any more."""
    open_ones = Invitation.objects.filter(invited_by_id=membership.user_id, accepted_at=None, revoked_at=None)
    for invitation in open_ones.select_for_update().order_by("pk"):
        if not may_invite(membership, invitation.role):
            invitation.revoked_at = timezone.now()
            invitation.save(update_fields=["revoked_at", "updated_at"])
            emit("invitation.revoked", invitation)
