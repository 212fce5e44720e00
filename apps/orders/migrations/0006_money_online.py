"""Constraints and indexes on tables in use, without holding a lock while rows are read."""

from django.db import migrations, models

from apps.core.operations import AddConstraintOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0005_money")]

    operations = [
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_order_one_subject",
        ),
        AddConstraintOnline(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("order_type", "service"), ("package", None), ("service__isnull", False)),
                    models.Q(("order_type", "package"), ("package__isnull", False), ("service", None)),
                    models.Q(("order_type", "gift"), ("package", None), ("service", None)),
                    _connector="OR",
                ),
                name="orders_order_one_subject",
            ),
        ),
    ]
