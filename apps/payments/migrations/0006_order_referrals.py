"""Who brought the buyer of an order that was placed without a login."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.constraints
import apps.core.models
from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("orders", "0006_money_online"),
        ("payments", "0005_guards"),
        ("users", "0002_timezone"),
    ]

    operations = [
        migrations.CreateModel(
            name="OrderReferral",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "inviter",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="referred_orders", to="users.customer"),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="referrals",
                        to="orders.order",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.SameAccount("order", name="payments_orderreferral_order_account"),
                    models.UniqueConstraint(fields=("order",), name="payments_orderreferral_one_per_order"),
                ],
            },
        ),
        TenantPolicies("OrderReferral"),
    ]
