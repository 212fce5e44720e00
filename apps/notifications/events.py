"""What can happen to the rules of reminders and to the sender."""

from apps.core.events import declare

RULE = ("minutes_before", "channels", "service", "is_active")

declare(
    "notifications.reminderrule",
    {
        "reminder_rule.created": ("Clients are reminded at another time, too.", RULE),
        "reminder_rule.changed": ("When, how or of what clients are reminded changed.", RULE),
        "reminder_rule.deleted": ("Nobody is reminded at this time any more.", RULE),
    },
    public=False,
)
declare(
    "notifications.senderidentity",
    {
        "sender_identity.changed": (
            "In whose name the account writes changed; of credentials only the names are told.",
            ("sender_name", "reply_to", "sms_provider", "sms_sender", "sms_credentials"),
        ),
    },
    public=False,
)
