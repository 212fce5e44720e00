from django.db import migrations

from apps.core.operations import BY_ACCOUNTS, BY_CLIENT, TenantPolicies

# What staff write for each other is no customer's to read, whatever a view forgets.
SHARED = f"{BY_CLIENT} AND NOT is_internal"


class Migration(migrations.Migration):
    dependencies = [("tickets", "0001_initial")]

    operations = [
        TenantPolicies("Ticket", reads={"own": BY_CLIENT}),
        TenantPolicies("TicketMessage", "TicketAttachment", reads={"own": SHARED}),
        TenantPolicies("TicketCategory", reads={"customer_accounts": BY_ACCOUNTS}),
        TenantPolicies("TicketTime", "SlaTarget", "SupportHours", "HistoricalTicket"),
    ]
