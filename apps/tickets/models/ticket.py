"""The ticket itself."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint
from django.utils import timezone

from apps.accounts.models import Membership
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped
from apps.sites.models import Site, SiteOwnership


class Priority(models.TextChoices):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Status(models.TextChoices):
    """What happens with a ticket. ``waiting`` is for the client's answer: meanwhile the clock stands still."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    RESOLVED = "resolved"
    CLOSED = "closed"


RUNNING = (Status.OPEN, Status.IN_PROGRESS)
ENDED = (Status.RESOLVED, Status.CLOSED)
UNSOLVED = (*RUNNING, Status.WAITING)


class TicketQuerySet(models.QuerySet):
    def overdue(self, at: datetime) -> "TicketQuerySet":
        """Those whose clock runs and whose first answer or solution should have been there by now."""
        late = Q(first_answered_at=None, first_answer_due_at__lte=at) | Q(solution_due_at__lte=at)
        return self.filter(late, running_since__isnull=False)

    def unannounced(self, at: datetime) -> "TicketQuerySet":
        """Overdue ones of which nobody has been told yet."""
        answer = Q(first_answered_at=None, first_answer_due_at__lte=at, first_answer_overdue_at=None)
        return self.filter(answer | Q(solution_due_at__lte=at, solution_overdue_at=None), running_since__isnull=False)


class Ticket(TenantModel):
    """Something that a client asks for. ``number`` counts in the account; ``description`` is the client's own words and is never changed.

    A ticket about a site was opened under an ``ownership``. It is shown to its client as long as they own the site, and never to somebody
    else who owns it, now or afterwards: they see what they open themselves. The business goes on seeing everything (T31).

    Promises count support hours (``apps.tickets.sla``): ``used_seconds`` were used up before ``running_since``, which is empty while the
    clock stands (waiting, resolved, closed). The two due times hold while it runs; ``…_overdue_at`` is when their passing was announced.
    """

    number = models.PositiveBigIntegerField()
    client = TenantForeignKey(Client, models.RESTRICT, related_name="tickets", db_index=False)
    site = TenantForeignKey(Site, models.RESTRICT, related_name="tickets", null=True, blank=True, db_index=False)
    ownership = TenantForeignKey(SiteOwnership, models.RESTRICT, related_name="tickets", null=True, blank=True)
    subject = models.CharField(max_length=200)
    description = models.TextField(max_length=10_000)
    category = models.CharField(max_length=80, blank=True)
    priority = models.CharField(max_length=6, choices=Priority.choices, default=Priority.NORMAL)
    status = models.CharField(max_length=11, choices=Status.choices, default=Status.OPEN)
    status_changed_at = models.DateTimeField(null=True, blank=True)
    assignee = TenantForeignKey(Membership, models.SET_NULL, related_name="tickets", null=True, blank=True, db_index=False)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    source = models.CharField(max_length=32, blank=True, help_text="The door it came through: customer, staff …")
    opened_at = models.DateTimeField(default=timezone.now)
    first_answered_at = models.DateTimeField(null=True, blank=True)
    first_answer_due_at = models.DateTimeField(null=True, blank=True)
    solution_due_at = models.DateTimeField(null=True, blank=True)
    running_since = models.DateTimeField(null=True, blank=True)
    used_seconds = models.PositiveBigIntegerField(default=0)
    resolved_at = models.DateTimeField(null=True, blank=True, help_text="When it ended: resolved or closed, whichever came first.")
    first_answer_overdue_at = models.DateTimeField(null=True, blank=True)
    solution_overdue_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = scoped(TicketQuerySet)
    history = history(excluded_fields=["description"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="tickets_ticket_tenant_key"),
            SameAccount("client", name="tickets_ticket_client_account"),
            SameAccount("site", name="tickets_ticket_site_account"),
            SameAccount("ownership", name="tickets_ticket_ownership_account"),
            SameAccount("assignee", name="tickets_ticket_assignee_account"),
            UniqueConstraint(fields=["account", "number"], name="tickets_ticket_unique_number"),
            CheckConstraint(
                condition=Q(site=None, ownership=None) | Q(site__isnull=False, ownership__isnull=False), name="tickets_ticket_owned_site"
            ),
            CheckConstraint(
                condition=Q(status__in=["open", "in_progress"], running_since__isnull=False)
                | Q(status__in=["waiting", "resolved", "closed"], running_since=None),
                name="tickets_ticket_clock",
            ),
            CheckConstraint(
                condition=Q(status__in=["resolved", "closed"], resolved_at__isnull=False)
                | Q(status__in=["open", "in_progress", "waiting"], resolved_at=None),
                name="tickets_ticket_ended",
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="tickets_ticket_recent"),  # tickets/
            Index(fields=["account", "status", "-created_at", "-id"], name="tickets_ticket_by_status"),  # tickets/?status=
            Index(fields=["account", "client", "-created_at", "-id"], name="tickets_ticket_by_client"),  # customer/tickets/
            Index(fields=["account", "site", "-created_at"], name="tickets_ticket_by_site", condition=Q(site__isnull=False)),
            Index(fields=["account", "assignee", "-created_at"], name="tickets_ticket_by_assignee", condition=Q(assignee__isnull=False)),
            # the job that tells of broken promises
            Index(
                fields=["first_answer_due_at"],
                name="tickets_ticket_to_answer",
                condition=Q(first_answered_at=None, first_answer_overdue_at=None, running_since__isnull=False),
            ),
            Index(
                fields=["solution_due_at"],
                name="tickets_ticket_to_solve",
                condition=Q(solution_overdue_at=None, running_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.subject}"
