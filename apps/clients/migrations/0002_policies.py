from django.db import migrations

from apps.core.operations import TenantPolicies

# A person finds the rows that are about them in every account: the customer door starts here.
OWN = (
    "customer_id IN (SELECT c.id FROM users_customer c WHERE c.user_id = (SELECT nullif(current_setting('app.user_id', true), '')::bigint))"
)


class Migration(migrations.Migration):
    dependencies = [("clients", "0001_initial")]

    operations = [
        TenantPolicies("Client", reads={"own": OWN}),
        TenantPolicies("HistoricalClient"),
    ]
