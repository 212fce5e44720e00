from django.db import migrations

from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("integrations", "0001_initial")]

    operations = [
        TenantPolicies("WebhookEndpoint", "WebhookDelivery"),
        TenantPolicies("HistoricalWebhookEndpoint"),
    ]
