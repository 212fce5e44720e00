"""Constraints and indexes on tables in use, without holding a lock while rows are read."""

from django.db import migrations, models

from apps.core.operations import AddConstraintOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("catalog", "0003_time")]

    operations = [
        AddConstraintOnline(
            model_name="offering",
            constraint=models.CheckConstraint(condition=models.Q(("weight__gte", 1), ("weight__lte", 100)), name="catalog_offering_weight"),
        ),
        AddConstraintOnline(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("season_from", None), ("season_to", None), ("season_to__gte", models.F("season_from")), _connector="OR"
                ),
                name="catalog_service_season",
                violation_error_message="season_to cannot lie before season_from.",
            ),
        ),
        AddConstraintOnline(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(("online_capacity", None), ("online_capacity__lte", models.F("capacity")), _connector="OR"),
                name="catalog_service_online_capacity",
                violation_error_message="Clients cannot book more seats than there are.",
            ),
        ),
        AddConstraintOnline(
            model_name="service",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("min_attendees__gte", 1), ("min_attendees__lte", models.F("capacity")), ("min_attendees_hours__lte", 8760)
                ),
                name="catalog_service_min_attendees",
                violation_error_message="The minimum lies between 1 and the capacity, and is decided at most a year before the start.",
            ),
        ),
    ]
