"""What was said to a login, wherever."""

from apps.core.logins import Counts, erases_login
from apps.core.subjects import ERASED
from apps.notifications.models import Delivery, Notification, Preference


@erases_login
def forget_messages(user_id: int) -> Counts:
    """Choices, notifications, and the words of mails."""
    mails = Delivery._base_manager.filter(user_id=user_id).exclude(address__startswith=f"{ERASED}-")
    return {
        Preference._meta.db_table: Preference.objects.filter(user_id=user_id).delete()[0],
        Notification._meta.db_table: Notification._base_manager.filter(user_id=user_id).delete()[0],
        Delivery._meta.db_table: mails.delete()[0],
    }
