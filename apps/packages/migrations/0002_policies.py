from django.db import migrations

from apps.core.operations import BY_ACCOUNTS, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("packages", "0001_initial")]

    operations = [
        TenantPolicies("Package", "PackageItem", reads={"customer_accounts": BY_ACCOUNTS}),
        TenantPolicies("HistoricalPackage"),
    ]
