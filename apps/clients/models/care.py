"""What staff write down about a client and have to do for them, and what the client has agreed to."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Index, Q

from apps.accounts.models import Membership
from apps.clients.models.client import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel


class ClientNote(TenantModel):
    """What staff want to remember about a client. Never shown to the client; its text never leaves this row."""

    client = TenantForeignKey(Client, models.CASCADE, related_name="notes", db_index=False)
    body = models.TextField(max_length=10_000)
    is_pinned = models.BooleanField(default=False, help_text="To be shown on top.")
    author = TenantForeignKey(Membership, models.SET_NULL, related_name="+", null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_clientnote_tenant_key"),
            SameAccount("client", name="clients_clientnote_client_account"),
            SameAccount("author", name="clients_clientnote_author_account"),
        ]
        indexes: ClassVar = [Index(fields=["client", "-id"], name="clients_clientnote_of_client")]  # clients/<id>/notes/

    def __str__(self) -> str:
        return f"note {self.pk}"


class ClientTask(TenantModel):
    """Something to do for a client until ``due_at``. ``announced_at``: when the assignee was told that it is due."""

    client = TenantForeignKey(Client, models.CASCADE, related_name="tasks", db_index=False)
    title = models.CharField(max_length=200)
    due_at = models.DateTimeField(null=True, blank=True)
    assignee = TenantForeignKey(Membership, models.SET_NULL, related_name="client_tasks", null=True, blank=True, db_index=False)
    author = TenantForeignKey(Membership, models.SET_NULL, related_name="+", null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = TenantForeignKey(Membership, models.SET_NULL, related_name="+", null=True, blank=True)
    announced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_clienttask_tenant_key"),
            SameAccount("client", name="clients_clienttask_client_account"),
            SameAccount("assignee", name="clients_clienttask_assignee_account"),
            SameAccount("author", name="clients_clienttask_author_account"),
            SameAccount("done_by", name="clients_clienttask_done_by_account"),
            CheckConstraint(condition=Q(done_by=None) | Q(done_at__isnull=False), name="clients_clienttask_done"),
        ]
        indexes: ClassVar = [
            Index(fields=["client", "-id"], name="clients_clienttask_of_client"),  # clients/<id>/tasks/
            Index(fields=["account", "-id"], name="clients_clienttask_recent"),  # client-tasks/
            Index(fields=["account", "due_at", "id"], name="clients_clienttask_by_due"),  # client-tasks/?due_before=
            Index(fields=["assignee", "-id"], name="clients_clienttask_of_member"),  # client-tasks/?assignee=
            Index(fields=["due_at"], condition=Q(done_at=None, announced_at=None), name="clients_clienttask_to_tell"),  # the job
        ]

    def __str__(self) -> str:
        return self.title


class ClientConsent(TenantModel):
    """One statement of a client: what they allowed or withdrew, in which words, when. Rows are added and never changed.

    ``Client.consents`` is the latest of each purpose: {purpose: {granted, at}}.
    """

    client = TenantForeignKey(Client, models.CASCADE, related_name="consent_log", db_index=False)
    purpose = models.CharField(max_length=50, help_text="newsletter, photos, health_data …")
    granted = models.BooleanField()
    wording = models.TextField(max_length=5_000, blank=True, help_text="The sentence they agreed to.")
    source = models.CharField(max_length=50, blank=True, help_text="Where it was given: paper, phone, web …")
    given_at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_clientconsent_tenant_key"),
            SameAccount("client", name="clients_clientconsent_client_account"),
        ]
        indexes: ClassVar = [Index(fields=["client", "purpose", "-given_at", "-id"], name="clients_clientconsent_latest")]

    def __str__(self) -> str:
        return f"{self.purpose}: {'granted' if self.granted else 'withdrawn'}"
