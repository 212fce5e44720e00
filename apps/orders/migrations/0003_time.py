import apps.core.constraints
import apps.core.models
import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
import django.db.models.functions.datetime
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("catalog", "0003_time"),
        ("clients", "0002_policies"),
        ("orders", "0002_policies"),
        ("packages", "0003_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HistoricalPackagePause",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("first_day", models.DateField()),
                ("last_day", models.DateField(blank=True, null=True)),
                ("reason", models.CharField(max_length=500)),
                ("resumed_at", models.DateTimeField(blank=True, null=True)),
                ("days_added", models.PositiveIntegerField(default=0)),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(null=True)),
                ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
            ],
            options={
                "verbose_name": "historical package pause",
                "verbose_name_plural": "historical package pauses",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="PackagePause",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("first_day", models.DateField()),
                ("last_day", models.DateField(blank=True, null=True)),
                ("reason", models.CharField(max_length=500)),
                ("resumed_at", models.DateTimeField(blank=True, null=True)),
                ("days_added", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="historicalorder",
            name="expiry_warned_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="historicalorder",
            name="parent",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                help_text="The order its sessions came from.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="orders.order",
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="expiry_warned_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="parent",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="The order its sessions came from.",
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="transfers",
                to="orders.order",
            ),
        ),
        migrations.AddField(
            model_name="historicalpackagepause",
            name="account",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="historicalpackagepause",
            name="history_user",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name="historicalpackagepause",
            name="order",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="orders.order",
            ),
        ),
        migrations.AddField(
            model_name="packagepause",
            name="account",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
        ),
        migrations.AddField(
            model_name="packagepause",
            name="order",
            field=apps.core.models.TenantForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="pauses", to="orders.order"
            ),
        ),
        migrations.AddIndex(
            model_name="packagepause",
            index=models.Index(fields=["account", "-created_at", "-id"], name="orders_packagepause_recent"),
        ),
        migrations.AddConstraint(
            model_name="packagepause",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="orders_packagepause_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="packagepause",
            constraint=apps.core.constraints.SameAccount("order", name="orders_packagepause_order_account"),
        ),
        migrations.AddConstraint(
            model_name="packagepause",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_day", None), ("last_day__gte", models.F("first_day")), _connector="OR"),
                name="orders_packagepause_days",
                violation_error_message="last_day cannot lie before first_day.",
            ),
        ),
        migrations.AddConstraint(
            model_name="packagepause",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("order", "="),
                    (
                        models.Func(
                            models.F("first_day"),
                            models.F("last_day"),
                            models.Value("[]"),
                            function="daterange",
                            output_field=django.contrib.postgres.fields.ranges.DateRangeField(),
                        ),
                        "&&",
                    ),
                ],
                name="orders_packagepause_no_overlap",
            ),
        ),
        TenantPolicies("PackagePause", "HistoricalPackagePause"),
    ]
