"""What the demo's businesses have of this app before their first sale."""

from datetime import datetime

from apps.accounts.models import Account
from apps.core.demo import furnishings
from apps.notifications.models import Channel
from apps.notifications.services.reminder_rules import create_rule

RULES = ((24 * 60, [Channel.EMAIL]), (2 * 60, [Channel.IN_APP, Channel.EMAIL]))


def remind_clients(account: Account, at: datetime) -> None:
    """A day before by mail, and two hours before by mail and inside the product."""
    for minutes, channels in RULES:
        create_rule(account, minutes_before=minutes, channels=[str(channel) for channel in channels], at=at)


furnishings.append(remind_clients)
