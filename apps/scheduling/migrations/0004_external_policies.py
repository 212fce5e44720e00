from django.db import migrations

from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0003_external")]

    operations = [TenantPolicies("ExternalCalendar", "ExternalBusy", "HistoricalExternalCalendar")]
