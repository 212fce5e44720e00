from django.db import migrations

from apps.core.operations import BY_CLIENT, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [("bookings", "0001_initial")]

    operations = [
        TenantPolicies("Booking", reads={"own": BY_CLIENT}),
        TenantPolicies("HistoricalBooking"),
    ]
