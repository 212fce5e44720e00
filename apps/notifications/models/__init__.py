"""Messages, what becomes of them, and reminders."""

from apps.notifications.models.deliveries import Delivery, SenderIdentity
from apps.notifications.models.notifications import Channel, Kind, Notification, Preference
from apps.notifications.models.reminders import Reminder, ReminderRule

__all__ = ["Channel", "Delivery", "Kind", "Notification", "Preference", "Reminder", "ReminderRule", "SenderIdentity"]
