from django.db import migrations

from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("scheduling", "0001_initial")]

    operations = [
        TenantPolicies("WeeklyHours", "DateOverride", "TimeOff"),
        TenantPolicies("HistoricalWeeklyHours", "HistoricalDateOverride", "HistoricalTimeOff"),
    ]
