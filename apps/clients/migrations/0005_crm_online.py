"""Indexes and a key on the table in use, and what search compares of the clients that were there before."""

from typing import Any

from django.apps.registry import Apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

import apps.core.constraints
from apps.core.operations import AddConstraintOnline
from apps.core.tenancy import platform_scope

BATCH = 5_000


def fill_in(apps: Apps, schema_editor: Any) -> None:
    """In batches of ids, so that no lock is held for long; the trigger computes, and run again it goes on."""
    with schema_editor.connection.cursor() as cursor:
        with platform_scope("what search compares of clients"):
            cursor.execute("SELECT coalesce(max(id), 0) FROM clients_client")
            (last,) = cursor.fetchone()
        for start in range(0, last + 1, BATCH):
            with platform_scope("what search compares of clients"):
                cursor.execute(
                    "UPDATE clients_client SET search_text = '?' WHERE id >= %s AND id < %s AND search_text = ''", [start, start + BATCH]
                )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("clients", "0004_crm")]

    operations = [
        migrations.RunPython(fill_in, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="client",
            index=models.Index(
                condition=models.Q(models.Q(("email_key", ""), _negated=True), ("merged_into", None)),
                fields=["email_key", "account"],
                name="clients_client_by_email",
            ),
        ),
        AddIndexConcurrently(
            model_name="client",
            index=models.Index(
                condition=models.Q(("merged_into", None)),
                fields=["account", "id"],
                include=("customer", "search_text"),
                name="clients_client_search",
            ),
        ),
        AddIndexConcurrently(
            model_name="client",
            index=models.Index(
                condition=models.Q(("blocked_at__isnull", False)),
                fields=["account", "-created_at", "-id"],
                name="clients_client_blocked",
            ),
        ),
        AddIndexConcurrently(
            model_name="client",
            index=models.Index(condition=models.Q(("blocked_by__isnull", False)), fields=["blocked_by"], name="clients_client_blocked_by"),
        ),
        AddConstraintOnline(
            model_name="client",
            constraint=apps.core.constraints.SameAccount("blocked_by", name="clients_client_blocked_by_account"),
        ),
    ]
