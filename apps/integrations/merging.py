"""Feeds of a client who is merged into another."""

from apps.core.merging import stays
from apps.integrations.models import CalendarFeed

stays(CalendarFeed, "client", because="whoever knows its address was shown one person's sessions; it ends with the merge")
