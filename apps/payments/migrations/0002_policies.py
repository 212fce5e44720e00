from django.db import migrations

from apps.core.operations import BY_CLIENT, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [
        TenantPolicies("Payment", reads={"own": BY_CLIENT}),
        TenantPolicies("HistoricalPayment"),
    ]
