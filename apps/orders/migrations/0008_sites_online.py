"""Constraints and indexes on tables in use, without holding a lock while rows are read."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

import apps.core.constraints
from apps.core.operations import AddConstraintOnline

ONE_SUBJECT = models.Q(
    models.Q(("order_type", "service"), ("package", None), ("service__isnull", False), ("site", None)),
    models.Q(("order_type", "package"), ("package__isnull", False), ("service", None), ("site", None)),
    models.Q(("order_type", "gift"), ("package", None), ("service", None), ("site", None)),
    models.Q(("order_type", "site"), ("package", None), ("service", None), ("site__isnull", False)),
    _connector="OR",
)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0007_sites")]

    operations = [
        AddConstraintOnline(
            model_name="order",
            constraint=apps.core.constraints.SameAccount("site", name="orders_order_site_account"),
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(fields=["account", "site"], name="orders_order_of_site", condition=models.Q(("site__isnull", False))),
        ),
        AddConstraintOnline(
            model_name="order",
            constraint=models.UniqueConstraint(
                fields=("account", "site"),
                condition=models.Q(("order_type", "site"), ("status", "active")),
                name="orders_order_one_sale_of_site",
            ),
        ),
        migrations.RemoveConstraint(model_name="order", name="orders_order_one_subject"),
        AddConstraintOnline(
            model_name="order",
            constraint=models.CheckConstraint(condition=ONE_SUBJECT, name="orders_order_one_subject"),
        ),
    ]
