"""What an account can set: a closed list of keys, each with its type and default (docs/settings.md is made from it)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. ``default`` also says the type; ``max_length``, ``pattern`` and ``choices`` are for text, the bounds for numbers."""

    name: str
    default: bool | int | str
    help_text: str
    max_length: int = 0
    pattern: str = ""
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0


KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key(
            "bank_transfer_instructions",
            "",
            "What a client who pays by bank transfer is told: where to send the money.",
            max_length=2000,
        ),
        Key("order_number_prefix", "", "Put in front of every new order number.", max_length=8, pattern=r"[A-Za-z0-9/_-]*"),
        Key("hold_minutes", 15, "How long a hold keeps its time.", minimum=1, maximum=60),
        Key("late_move", "charge", "What a client who moves a session late meets.", choices=("charge", "refuse")),
        Key(
            "free_cancellation_after_move_minutes",
            0,
            "A move by the business of more than this opens free cancellation to the client.",
            maximum=100_000,
        ),
        Key("no_show_tolerance_minutes", 15, "How long after the start a client may be late before it is a no-show.", maximum=1440),
        Key(
            "after_session",
            "nothing",
            "What happens to a confirmed session that nobody has closed 24 hours after its end.",
            choices=("nothing", "complete", "no_show"),
        ),
        Key(
            "expiry_requires",
            "start",
            "What must happen before a package expires: the session starts, or it is booked.",
            choices=("start", "booking"),
        ),
        Key("expiry_warning_days", 14, "How long before its end a client is warned that a package expires.", maximum=365),
        Key(
            "below_minimum",
            "propose",
            "What happens to an occurrence below its minimum: staff are asked, or it is cancelled.",
            choices=("propose", "cancel"),
        ),
        Key("waitlist_mode", "sequential", "How freed time is offered.", choices=("sequential", "broadcast", "off")),
        Key("waitlist_quiet_from", "21:00", "No offers from this local time …", max_length=5, pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]"),
        Key(
            "waitlist_quiet_to", "08:00", "… to this one, unless the start is near.", max_length=5, pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]"
        ),
        Key("document_quota_mb", 1000, "Megabytes that all documents of the account may take.", maximum=1_000_000),
        Key("padding_inside_hours", False, "Whether the buffers of a session must lie inside the working hours, too."),
    )
}
