"""Constraints and indexes on tables in use, without holding a lock while rows are read."""

import apps.core.constraints
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from apps.core.operations import AddConstraintOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0003_time")]

    operations = [
        AddIndexConcurrently(
            model_name="booking",
            index=models.Index(condition=models.Q(("status", "held")), fields=["hold_expires_at"], name="bookings_booking_holds"),
        ),
        AddIndexConcurrently(
            model_name="booking",
            index=models.Index(
                condition=models.Q(("status", "draft")), fields=["account", "service", "client"], name="bookings_booking_waiting"
            ),
        ),
        AddIndexConcurrently(
            model_name="booking",
            index=models.Index(
                condition=models.Q(("series__isnull", False)),
                fields=["account", "series", "original_start"],
                name="bookings_booking_in_series",
            ),
        ),
        AddIndexConcurrently(
            model_name="booking",
            index=models.Index(condition=models.Q(("offer__isnull", False)), fields=["account", "offer"], name="bookings_booking_by_offer"),
        ),
        AddConstraintOnline(
            model_name="booking",
            constraint=apps.core.constraints.SameAccount("series", name="bookings_booking_series_account"),
        ),
        AddConstraintOnline(
            model_name="booking",
            constraint=apps.core.constraints.SameAccount("offer", name="bookings_booking_offer_account"),
        ),
        AddConstraintOnline(
            model_name="booking",
            constraint=models.UniqueConstraint(
                condition=models.Q(("overlap_allowed", False), ("status__in", ["held", "pending", "confirmed", "checked_in"])),
                fields=("practitioner", "start_time", "client", "attendee_name"),
                name="bookings_booking_one_place_each",
            ),
        ),
        AddConstraintOnline(
            model_name="booking",
            constraint=models.UniqueConstraint(
                condition=models.Q(("series__isnull", False)),
                fields=("series", "original_start"),
                name="bookings_booking_one_per_occurrence",
            ),
        ),
    ]
