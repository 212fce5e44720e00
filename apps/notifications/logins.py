"""What was said to a login, wherever, and to managers of what it said where it is nobody's client."""

from django.db.models import Q

from apps.content.logins import comments_of_login
from apps.content.models import BlogComment
from apps.core.logins import Counts, erases_login
from apps.core.models import Event
from apps.core.subjects import ERASED
from apps.notifications.models import Delivery, Notification, Preference


@erases_login
def forget_messages(user_id: int) -> Counts:
    """Choices, notifications, and the words of mails."""
    mails = Delivery._base_manager.filter(user_id=user_id).exclude(address__startswith=f"{ERASED}-")
    counts = {
        Preference._meta.db_table: Preference.objects.filter(user_id=user_id).delete()[0],
        Notification._meta.db_table: Notification._base_manager.filter(user_id=user_id).delete()[0],
        Delivery._meta.db_table: mails.delete()[0],
    }
    for account_id, comments in _comments(user_id).items():  # account by account, as the indexes want it
        events = Event._base_manager.filter(account_id=account_id, subject_type=BlogComment._meta.label_lower, subject_id__in=comments)
        about = Q(account_id=account_id, event_id__in=list(events.values_list("pk", flat=True)))
        for model in (Notification, Delivery):
            counts[model._meta.db_table] += model._base_manager.filter(about).delete()[0]
    return counts


def _comments(user_id: int) -> dict[int, list[int]]:
    """{account: its comments by the login}."""
    found: dict[int, list[int]] = {}
    for account_id, pk in comments_of_login(user_id).values_list("account_id", "pk"):
        found.setdefault(account_id, []).append(pk)
    return found
