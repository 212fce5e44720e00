"""What an account says about its support: kinds of questions, hours, and how soon it answers."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.core.constraints import TenantKey
from apps.core.models import TenantModel
from apps.scheduling.models import WeeklyHours
from apps.tickets.models.ticket import Priority

MOST_MINUTES = 100_000


class TicketCategory(TenantModel):
    """A kind of question. While an account has active ones, every new ticket names one of them or none; without any, the word is free."""

    name = models.CharField(max_length=80)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "ticket categories"
        constraints: ClassVar = [
            TenantKey(name="tickets_ticketcategory_tenant_key"),
            UniqueConstraint(
                fields=["account", "name"],
                name="tickets_ticketcategory_unique_name",
                violation_error_message="There is a category of this name already.",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="tickets_ticketcategory_recent")]  # ticket-categories/

    def __str__(self) -> str:
        return self.name


class SlaTarget(TenantModel):
    """What an account promises for one priority, in minutes of support hours; a priority without a row has the defaults of ``sla``."""

    priority = models.CharField(max_length=6, choices=Priority.choices)
    first_answer_minutes = models.PositiveIntegerField()
    solution_minutes = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="tickets_slatarget_tenant_key"),
            UniqueConstraint(
                fields=["account", "priority"],
                name="tickets_slatarget_unique_priority",
                violation_error_message="There is a target for this priority already.",
            ),
            CheckConstraint(
                condition=Q(
                    first_answer_minutes__gte=1,
                    solution_minutes__gte=F("first_answer_minutes"),
                    solution_minutes__lte=MOST_MINUTES,
                ),
                name="tickets_slatarget_minutes",
                violation_error_message=f"The solution comes after the first answer, and within {MOST_MINUTES} minutes.",
            ),
        ]

    def __str__(self) -> str:
        return self.priority


class SupportHours(TenantModel):
    """One opening of the support's week, in the account's time zone; an end at or before the start lies on the next day.

    An account without any is open from Monday to Friday, 09:00 to 17:00. Time off of the whole account closes the support, too.
    """

    weekday = models.PositiveSmallIntegerField(choices=WeeklyHours.Weekday.choices)
    start = models.TimeField()
    end = models.TimeField()

    class Meta:
        verbose_name_plural = "support hours"
        constraints: ClassVar = [
            TenantKey(name="tickets_supporthours_tenant_key"),
            UniqueConstraint(
                fields=["account", "weekday", "start"],
                name="tickets_supporthours_unique_start",
                violation_error_message="There is an opening at this time already.",
            ),
            CheckConstraint(condition=Q(weekday__lte=6), name="tickets_supporthours_weekday"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="tickets_supporthours_recent")]  # support-hours/

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.start:%H:%M}-{self.end:%H:%M}"
