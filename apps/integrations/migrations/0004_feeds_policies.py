from django.db import migrations

from apps.core.operations import BY_CLIENT, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("integrations", "0003_feeds")]

    operations = [TenantPolicies("CalendarFeed", reads={"own": BY_CLIENT})]
