"""Indexes on a table in use, without holding a lock while rows are read."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("core", "0005_events")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(fields=["account", "transaction", "id"], name="core_event_in_order"),
        ),
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                fields=["account", "client_id", "-id"], name="core_event_client", condition=models.Q(("client_id__isnull", False))
            ),
        ),
    ]
