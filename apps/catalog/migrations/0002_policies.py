from django.db import migrations

from apps.core.operations import BY_ACCOUNTS, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        TenantPolicies("Service", "Practitioner", "Offering", reads={"customer_accounts": BY_ACCOUNTS}),
        TenantPolicies("HistoricalService", "HistoricalPractitioner", "HistoricalOffering"),
    ]
