"""When practitioners work. Local times are in the practitioner's zone; the arithmetic is in hours.py."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.indexes import BTreeIndex
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.catalog.models import Practitioner
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history


class WeeklyHours(TenantModel):
    """One opening of a week, in local time; an end at or before the start lies on the next day (rules.md §1).

    Of the rows for a weekday those with the latest ``valid_from`` count, then those with the highest ``priority``.
    """

    class Weekday(models.IntegerChoices):
        MONDAY = 0
        TUESDAY = 1
        WEDNESDAY = 2
        THURSDAY = 3
        FRIDAY = 4
        SATURDAY = 5
        SUNDAY = 6

    practitioner = TenantForeignKey(Practitioner, models.CASCADE, related_name="weekly_hours")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    start = models.TimeField()
    end = models.TimeField()
    valid_from = models.DateField(null=True, blank=True)
    valid_to = models.DateField(null=True, blank=True, help_text="Last day, inclusive.")
    every_weeks = models.PositiveSmallIntegerField(default=1)
    anchor = models.DateField(null=True, blank=True, help_text="Any day of a week that counts; needed when every_weeks is over 1.")
    priority = models.SmallIntegerField(default=0)

    history = history()

    class Meta:
        verbose_name_plural = "weekly hours"
        constraints: ClassVar = [
            TenantKey(name="scheduling_weeklyhours_tenant_key"),
            SameAccount("practitioner", name="scheduling_weeklyhours_practitioner_account"),
            CheckConstraint(condition=Q(weekday__lte=6), name="scheduling_weeklyhours_weekday"),
            CheckConstraint(
                condition=Q(every_weeks__gte=1, every_weeks__lte=52) & (Q(every_weeks=1) | Q(anchor__isnull=False)),
                name="scheduling_weeklyhours_interval",
                violation_error_message="every_weeks is 1 to 52, and over 1 it needs an anchor.",
            ),
            CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="scheduling_weeklyhours_validity",
                violation_error_message="valid_to cannot lie before valid_from.",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="scheduling_weeklyhours_recent")]  # weekly-hours/

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.start:%H:%M}-{self.end:%H:%M}"


class DateOverride(TenantModel):
    """Other hours on one date: ``windows`` replace the day's hours (none: closed), or are added to them (``adds``).

    ``windows`` is a list of {"start": "HH:MM", "end": "HH:MM"} in local time.
    """

    practitioner = TenantForeignKey(Practitioner, models.CASCADE, related_name="date_overrides", db_index=False)
    date = models.DateField()
    windows = models.JSONField(default=list, blank=True)
    adds = models.BooleanField(default=False, help_text="Add the windows to the day's hours instead of replacing them.")

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="scheduling_dateoverride_tenant_key"),
            SameAccount("practitioner", name="scheduling_dateoverride_practitioner_account"),
            UniqueConstraint(
                fields=["practitioner", "date", "adds"],
                name="scheduling_dateoverride_unique_date",
                violation_error_message="There is an override of this kind for this date already.",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="scheduling_dateoverride_recent")]  # date-overrides/

    def __str__(self) -> str:
        return f"{self.date}"


class TimeOff(TenantModel):
    """A span in which a practitioner, or with no practitioner the whole account, does not work. Half-open, UTC."""

    practitioner = TenantForeignKey(Practitioner, models.CASCADE, related_name="time_off", null=True, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)

    history = history()

    class Meta:
        verbose_name_plural = "time off"
        constraints: ClassVar = [
            TenantKey(name="scheduling_timeoff_tenant_key"),
            SameAccount("practitioner", name="scheduling_timeoff_practitioner_account"),
            CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="scheduling_timeoff_positive",
                violation_error_message="ends_at must lie after starts_at.",
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="scheduling_timeoff_recent"),  # time-off/
            Index(fields=["account", "ends_at"], name="scheduling_timeoff_by_end"),  # slots
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M}-{self.ends_at:%Y-%m-%d %H:%M}"


STALE_AFTER = timedelta(hours=24)


class ExternalCalendar(TenantModel):
    """A calendar that a practitioner keeps elsewhere and that is read for when it says busy (rules.md §12).

    Its address often is a secret by itself: ``url_box`` is encrypted (apps.core.vault) and never shown; ``host`` is what is. A calendar
    that cannot be read keeps the busy times it had; ``error`` says why, as a short code.
    """

    practitioner = TenantForeignKey(Practitioner, models.CASCADE, related_name="external_calendars")
    label = models.CharField(max_length=100, blank=True)
    url_box = models.TextField(editable=False)
    host = models.CharField(max_length=255, editable=False, help_text="Where it is kept.")
    is_active = models.BooleanField(default=True)
    next_fetch_at = models.DateTimeField(null=True, blank=True)
    last_fetched_at = models.DateTimeField(null=True, blank=True, help_text="The last try.")
    last_success_at = models.DateTimeField(null=True, blank=True, help_text="When its busy times were last known to be right.")
    last_read_at = models.DateTimeField(null=True, blank=True, help_text="When it was last read as a whole, not only found unchanged.")
    read_zone = models.CharField(max_length=64, blank=True, help_text="The practitioner's zone then: whole days were meant in it.")
    etag = models.CharField(max_length=500, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=40, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Tries since the last success.")
    busy_count = models.PositiveIntegerField(default=0, help_text="Busy times that are known.")
    skipped_count = models.PositiveIntegerField(default=0, help_text="Events that nobody could understand; they block nothing.")

    history = history(excluded_fields=["url_box", "etag", "last_modified"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="scheduling_externalcalendar_tenant_key"),
            SameAccount("practitioner", name="scheduling_externalcalendar_practitioner_account"),
        ]
        indexes: ClassVar = [
            BTreeIndex(fields=["account", "-created_at", "-id"], name="scheduling_externalcalendar_all"),  # external-calendars/
            BTreeIndex(fields=["next_fetch_at"], name="scheduling_externalcalendar_due", condition=Q(is_active=True)),  # the sweeper
        ]

    def __str__(self) -> str:
        return self.label or self.host


def calendar_is_stale(is_active: bool, last_success_at: datetime | None, created_at: datetime, at: datetime) -> bool:
    """Whether a calendar's busy times, which still count, are older than a day."""
    return is_active and (last_success_at or created_at) < at - STALE_AFTER


class ExternalBusy(TenantModel):
    """A span in which a practitioner's own calendar says busy. Half-open, UTC; those of one calendar lie apart from each other."""

    calendar = TenantForeignKey(ExternalCalendar, models.CASCADE, related_name="busy")
    practitioner = TenantForeignKey(Practitioner, models.CASCADE, related_name="external_busy", db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "external busy times"
        constraints: ClassVar = [
            SameAccount("calendar", name="scheduling_externalbusy_calendar_account"),
            SameAccount("practitioner", name="scheduling_externalbusy_practitioner_account"),
            CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="scheduling_externalbusy_positive"),
        ]
        indexes: ClassVar = [
            Index(fields=["practitioner", "ends_at"], include=["starts_at"], name="scheduling_externalbusy_by_end")
        ]  # slots

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M}-{self.ends_at:%Y-%m-%d %H:%M}"
