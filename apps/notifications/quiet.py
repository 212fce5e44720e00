"""Quiet hours: when a person is not reminded, and what that does to the time of a reminder (rules.md §12)."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.scheduling.hours import local_to_instant

NEAR = timedelta(minutes=30)
"""A reminder that comes later than this before the start is no help."""
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one local time to another, past midnight when ``until`` is not later; equal times are no quiet hours."""

    since: time
    until: time

    def around(self, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
        """Beginning and end of the quiet hours that cover this instant, if they do."""
        if self.since == self.until:
            return None
        today = at.astimezone(zone).date()
        for day in (today - A_DAY, today):
            end = day if self.since < self.until else day + A_DAY
            begins, ends = (local_to_instant(datetime.combine(*wall), zone) for wall in ((day, self.since), (end, self.until)))
            if begins <= at < ends:
                return begins, ends
        return None

    def shift(self, due: datetime, *, start: datetime, zone: ZoneInfo) -> datetime:
        """When what is due then may come: at the end of the quiet hours, or at their beginning when the start is too near by then."""
        around = self.around(due, zone)
        if around is None:
            return due
        begins, ends = around
        return ends if ends <= start - NEAR else begins


NONE = QuietHours(time(), time())


def quiet_hours(account: Account) -> QuietHours:
    """The account's; without both ends there are none."""
    since, until = setting(account, "reminder_quiet_from"), setting(account, "reminder_quiet_to")
    return QuietHours(time.fromisoformat(since), time.fromisoformat(until)) if since and until else NONE
