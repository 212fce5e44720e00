from django.contrib.postgres.indexes import BTreeIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("integrations", "0005_missed_since")]

    operations = [
        AddIndexConcurrently(
            model_name="webhookdelivery",
            index=BTreeIndex(condition=Q(("state", "sending")), fields=["account"], name="integrations_webhookdelivery_now"),
        ),
    ]
