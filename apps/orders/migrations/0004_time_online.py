"""Constraints and indexes on tables in use, without holding a lock while rows are read."""

import apps.core.constraints
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from apps.core.operations import AddConstraintOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0003_time")]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=models.Q(("status__in", ["active", "paused"])), fields=["expires_at"], name="orders_order_expiring"
            ),
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(condition=models.Q(("parent__isnull", False)), fields=["account", "parent"], name="orders_order_transfers"),
        ),
        AddConstraintOnline(
            model_name="order",
            constraint=apps.core.constraints.SameAccount("parent", name="orders_order_parent_account"),
        ),
    ]
