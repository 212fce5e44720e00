"""An index for calendar feeds, made without holding a lock while rows are read."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0004_time_online")]

    operations = [
        AddIndexConcurrently(
            model_name="booking",
            index=models.Index(
                condition=models.Q(("status", "draft"), ("status_changed_at__isnull", False)),
                fields=["account", "status_changed_at"],
                name="bookings_booking_returned",
            ),
        ),
    ]
