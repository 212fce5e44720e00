"""Group occurrences: what several people attend together (rules.md §9).

There is no row of an occurrence: it is the set of bookings that share service, practitioner and start.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.models import Booking, Status
from apps.catalog.models import Practitioner, Service
from apps.core.models import Event

# Who comes, or came; a hold is not an attendee yet.
ATTENDING = (Status.PENDING, Status.CONFIRMED, Status.CHECKED_IN, Status.COMPLETED, Status.NO_SHOW)
# A service that was a group when it was booked stays one for those who booked it.
IN_GROUP = Q(service__capacity__gt=1) | Q(capacity__gt=1)
BELOW_MINIMUM = "occurrence.below_minimum"
A_MOMENT = timedelta(microseconds=1)
_COLUMNS = (
    "service_id",
    "practitioner_id",
    "start_time",
    "end_time",
    "service__name",
    "practitioner__display_name",
    "service__capacity",
    "service__min_attendees",
    "service__min_attendees_hours",
    "pk",
    "client_id",
    "client__full_name",
    "attendee_name",
    "status",
    "payment_status",
    "seat",
)


@dataclass(frozen=True, slots=True)
class Attendee:
    """One booking of an occurrence: whose it is, and who comes when it is not the client."""

    id: int
    client: int
    client_name: str
    attendee_name: str
    status: str
    payment_status: str
    seat: int | None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One start of a group. ``capacity`` and ``minimum`` are the service's of today; names are for the business only."""

    service: int
    service_name: str
    practitioner: int
    practitioner_name: str
    start_time: datetime
    end_time: datetime
    capacity: int
    minimum: int
    decided_at: datetime
    bookings: list[Attendee] = field(repr=False)

    @property
    def taken(self) -> int:
        """People who come; whoever has asked and waits for approval is one of them."""
        return sum(one.status != Status.HELD for one in self.bookings)

    @property
    def held(self) -> int:
        """Seats that are held, for a client who is about to confirm or by an offer to the waitlist."""
        return len(self.bookings) - self.taken

    @property
    def seats_left(self) -> int:
        return max(0, self.capacity - len(self.bookings))

    @property
    def oversold(self) -> int:
        """Bookings beyond today's capacity: lowering it evicts nobody."""
        return max(0, len(self.bookings) - self.capacity)

    @property
    def below_minimum(self) -> bool:
        return self.taken < self.minimum


def occurrences(
    account: Account,
    since: datetime,
    until: datetime,
    *,
    service: Service | None = None,
    practitioner: Practitioner | None = None,
    at: datetime | None = None,
) -> list[Occurrence]:
    """Occurrences that start in [since, until), by start; one statement. Holds that have lapsed by ``at`` (now) are not there."""
    found = attendees().filter(account_id=account.pk, start_time__gte=since, start_time__lt=until, practitioner__isnull=False)
    found = found.exclude(status=Status.HELD, hold_expires_at__lte=at or timezone.now())
    if service is not None:
        found = found.filter(service_id=service.pk)
    if practitioner is not None:
        found = found.filter(practitioner_id=practitioner.pk)
    rows = found.order_by("start_time", "service_id", "practitioner_id", "seat", "pk").values_list(*_COLUMNS)
    return [_occurrence(list(group)) for _, group in groupby(rows, key=lambda row: row[:3])]


def attendees() -> QuerySet:
    """Bookings that make up group occurrences, past ones included."""
    return Booking.objects.filter(IN_GROUP, status__in=(Status.HELD, *ATTENDING))


def _occurrence(rows: list[tuple[Any, ...]]) -> Occurrence:
    service, practitioner, start, _, service_name, practitioner_name, capacity, minimum, hours = rows[0][:9]
    return Occurrence(
        service=service,
        service_name=service_name,
        practitioner=practitioner,
        practitioner_name=practitioner_name,
        start_time=start,
        end_time=max(row[3] for row in rows),
        capacity=capacity,
        minimum=minimum,
        decided_at=start - timedelta(hours=hours),
        bookings=[Attendee(*row[9:]) for row in rows],
    )


def undecided(account: Account, at: datetime) -> list[Occurrence]:
    """Future occurrences below their minimum whose time of decision has come, without those that staff were asked about."""
    longest = Service.objects.filter(account_id=account.pk, min_attendees__gt=1).aggregate(hours=Max("min_attendees_hours"))["hours"]
    if longest is None:
        return []
    due = [
        one
        for one in occurrences(account, at + A_MOMENT, at + timedelta(hours=longest) + A_MOMENT, at=at)
        if one.below_minimum and one.decided_at <= at
    ]
    asked = _asked_about(due) if due else set()
    return [one for one in due if _key(one) not in asked]


def was_asked_about(occurrence: Occurrence) -> bool:
    """Whether staff were told already that this occurrence is below its minimum."""
    return bool(_asked_about([occurrence]))


def _asked_about(found: Iterable[Occurrence]) -> set[tuple[int, int, str]]:
    keys = {_key(one) for one in found}
    events = Event.objects.filter(
        type=BELOW_MINIMUM,
        subject_type=Service._meta.label_lower,
        subject_id__in={service for service, _, _ in keys},
        changes__start_time__1__in=sorted({start for _, _, start in keys}),
    )
    known = {(pk, changes["practitioner"][1], changes["start_time"][1]) for pk, changes in events.values_list("subject_id", "changes")}
    return keys & known


def _key(one: Occurrence) -> tuple[int, int, str]:
    return one.service, one.practitioner, one.start_time.isoformat()


__all__ = ["ATTENDING", "BELOW_MINIMUM", "Attendee", "Occurrence", "attendees", "occurrences", "undecided", "was_asked_about"]
