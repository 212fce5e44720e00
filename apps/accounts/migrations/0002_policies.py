from django.db import migrations

from apps.core.operations import BY_USER, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        TenantPolicies("Membership", reads={"own": BY_USER}),
        TenantPolicies("HistoricalMembership", "Invitation"),
    ]
