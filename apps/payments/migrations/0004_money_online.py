"""Constraints and indexes on tables in use, without holding a lock while rows are read."""

import django.db.models
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from apps.core.operations import AddConstraintOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0003_money")]

    operations = [
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("next_check_at__isnull", False)), fields=["next_check_at"], name="payments_payment_to_check"
            ),
        ),
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(condition=models.Q(("expires_at__isnull", False)), fields=["expires_at"], name="payments_payment_waiting"),
        ),
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("capture_ref", ""), _negated=True),
                fields=["account", "capture_ref"],
                name="payments_payment_by_capture",
            ),
        ),
        AddConstraintOnline(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("status", "succeeded"), ("captured_cents", 0), _connector="OR"),
                name="payments_payment_captured_is_succeeded",
            ),
        ),
        AddConstraintOnline(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "captured_cents__gte",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(models.F("refunded_cents"), "+", models.F("refunding_cents")),
                            "+",
                            models.F("disputed_cents"),
                        ),
                    )
                ),
                name="payments_payment_back_of_captured",
            ),
        ),
        AddConstraintOnline(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("provider_ref", ""), _negated=True),
                fields=("account", "method", "provider_ref"),
                name="payments_payment_unique_provider_ref",
            ),
        ),
    ]
