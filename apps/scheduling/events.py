"""What can happen to the calendars that practitioners keep elsewhere. Their addresses are secrets: the log knows their hosts only."""

from apps.core.events import declare

declare(
    "scheduling.externalcalendar",
    {
        "external_calendar.created": ("A calendar kept elsewhere blocks time from now on.", ("host", "label")),
        "external_calendar.changed": ("Its label or address was changed, or it was switched on or off.", ("host", "label", "is_active")),
        "external_calendar.removed": ("It was forgotten, and its busy times with it.", ("host",)),
    },
    public=False,
)
