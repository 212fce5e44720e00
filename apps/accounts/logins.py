"""What accounts know of a login."""

from apps.accounts.models import ApiToken, Invitation, Membership
from apps.core.logins import Counts, erases_login, keeps_login
from apps.core.subjects import ERASED
from apps.users.models import User


def works_here(user_id: int) -> list[int]:
    """Memberships: whoever works for a business leaves it first."""
    return list(Membership._base_manager.filter(user_id=user_id, is_active=True).values_list("account_id", flat=True))


@erases_login
def forget_invitations(user_id: int) -> Counts:
    """Invitations that were sent to the login's address, and its tokens."""
    email = User.objects.filter(pk=user_id).values_list("email", flat=True)[:1]
    return {
        Invitation._meta.db_table: Invitation._base_manager.filter(email__in=email).update(email=f"{ERASED}@erased.invalid"),
        ApiToken._meta.db_table: ApiToken.objects.filter(user_id=user_id).delete()[0],
    }


keeps_login("member", works_here)
