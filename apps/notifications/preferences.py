"""What reaches a person by which channel when they have chosen nothing, and what they have chosen."""

from collections.abc import Callable, Sequence

from apps.notifications.models import Channel, Kind, Preference
from apps.users.models import User

QUIET_BY_EMAIL = frozenset({Kind.REVIEW_REQUESTED, Kind.REVIEW_RECEIVED, Kind.REVIEW_REPLIED, Kind.REVIEW_HIDDEN, Kind.DOCUMENT_SHARED})
"""Neither about money nor about time: told inside the product only, unless somebody asks for mails."""

Wants = Callable[[User | None, str, str], bool]


def default(kind: str, channel: str) -> bool:
    """Whether this kind goes this way without a choice. A reminder goes by SMS because a rule of the business says so."""
    if channel == Channel.IN_APP:
        return True
    if channel == Channel.EMAIL:
        return kind not in QUIET_BY_EMAIL
    return kind == Kind.BOOKING_REMINDER


def wants_of(user_ids: Sequence[int]) -> Wants:
    """What these people want, with one statement; who has no login gets what the defaults say."""
    rows = Preference.objects.filter(user_id__in=user_ids).values_list("user_id", "kind", "channel", "is_enabled") if user_ids else []
    chosen = {(user_id, kind, channel): enabled for user_id, kind, channel, enabled in rows}

    def wants(user: User | None, kind: str, channel: str) -> bool:
        fallback = default(kind, channel)
        return fallback if user is None else chosen.get((user.pk, kind, channel), fallback)

    return wants


def table_of(user_id: int) -> list[dict[str, object]]:
    """Every kind with every channel, and whether it is on: one statement."""
    chosen = {(p.kind, p.channel): p.is_enabled for p in Preference.objects.filter(user_id=user_id)}
    return [
        {"type": kind.value, **{channel.value: chosen.get((kind, channel), default(kind, channel)) for channel in Channel}} for kind in Kind
    ]
