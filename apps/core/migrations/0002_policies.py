from django.db import migrations

from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [
        TenantPolicies("Event", "IdempotencyKey", "Counter"),
    ]
