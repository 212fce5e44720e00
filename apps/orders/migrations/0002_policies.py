from django.db import migrations

from apps.core.operations import BY_CLIENT, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [
        TenantPolicies("Order", reads={"own": BY_CLIENT}),
        TenantPolicies("HistoricalOrder", "OrderLine"),
    ]
