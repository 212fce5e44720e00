"""What an account can set: a closed list of keys, each with its type and default (docs/settings.md is made from it)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. ``default`` also says the type; ``max_length`` and ``pattern`` are for text."""

    name: str
    default: bool | str
    help_text: str
    max_length: int = 0
    pattern: str = ""


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
        Key("padding_inside_hours", False, "Whether the buffers of a session must lie inside the working hours, too."),
    )
}
