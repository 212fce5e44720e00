from django.db import migrations

from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_reminders")]

    operations = [TenantPolicies("ReminderRule", "HistoricalReminderRule", "Reminder")]
