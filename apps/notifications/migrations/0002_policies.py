from django.db import migrations

from apps.core.operations import BY_USER, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    operations = [
        TenantPolicies("Notification", reads={"own": BY_USER}),
        TenantPolicies("Delivery", "SenderIdentity"),
    ]
