from django.db import migrations

from apps.core.operations import BY_ACCOUNTS, BY_CLIENT, TenantPolicies

GIVEN = BY_CLIENT.replace("client_id", "from_client_id", 1)


class Migration(migrations.Migration):
    dependencies = [("sites", "0001_initial")]

    operations = [
        TenantPolicies("Site", reads={"customer_accounts": BY_ACCOUNTS}),
        TenantPolicies("SiteOwnership", reads={"own": BY_CLIENT}),
        TenantPolicies("SiteTransfer", reads={"own": BY_CLIENT, "given": GIVEN}),
        TenantPolicies("HistoricalSite", "HistoricalSiteOwnership", "HistoricalSiteTransfer"),
    ]
