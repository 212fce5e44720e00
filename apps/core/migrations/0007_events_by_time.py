from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("core", "0006_events_online")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=BrinIndex(autosummarize=True, fields=["created_at"], name="core_event_by_time"),
        ),
    ]
