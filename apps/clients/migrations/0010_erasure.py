import apps.core.constraints
import apps.core.models
import django.db.models.deletion
import django.db.models.functions.datetime
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("clients", "0009_subjects_online"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="client",
            name="legal_hold_reason",
            field=models.CharField(blank=True, db_default="", help_text="Why this person must not be erased.", max_length=500),
        ),
        migrations.AddField(
            model_name="client",
            name="legal_hold_until",
            field=models.DateField(blank=True, help_text="The last day of it; empty: until it is lifted.", null=True),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="legal_hold_reason",
            field=models.CharField(blank=True, db_default="", help_text="Why this person must not be erased.", max_length=500),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="legal_hold_until",
            field=models.DateField(blank=True, help_text="The last day of it; empty: until it is lifted.", null=True),
        ),
        migrations.CreateModel(
            name="HistoricalErasure",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("state", models.CharField(choices=[("waiting", "Waiting"), ("done", "Done"), ("withdrawn", "Withdrawn")], max_length=9)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("obstacles", models.JSONField(blank=True, default=list, help_text="What it waits for: [{code, ids}].")),
                ("certificate", models.JSONField(blank=True, default=dict)),
                ("requested_by_id", models.BigIntegerField(blank=True, null=True)),
                ("source", models.CharField(blank=True, max_length=32)),
                ("erased_at", models.DateTimeField(blank=True, null=True)),
                ("kept_until", models.DateField(blank=True, help_text="When the law lets go of what was kept.", null=True)),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(null=True)),
                ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "historical erasure",
                "verbose_name_plural": "historical erasures",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalSubjectExport",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("ready", "Ready"),
                            ("fetched", "Fetched"),
                            ("expired", "Expired"),
                            ("failed", "Failed"),
                        ],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("size", models.PositiveBigIntegerField(blank=True, help_text="Bytes.", null=True)),
                ("ready_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("fetched_at", models.DateTimeField(blank=True, null=True)),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(null=True)),
                ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "historical subject export",
                "verbose_name_plural": "historical subject exports",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("state", models.CharField(choices=[("waiting", "Waiting"), ("done", "Done"), ("withdrawn", "Withdrawn")], max_length=9)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("obstacles", models.JSONField(blank=True, default=list, help_text="What it waits for: [{code, ids}].")),
                ("certificate", models.JSONField(blank=True, default=dict)),
                ("requested_by_id", models.BigIntegerField(blank=True, null=True)),
                ("source", models.CharField(blank=True, max_length=32)),
                ("erased_at", models.DateTimeField(blank=True, null=True)),
                ("kept_until", models.DateField(blank=True, help_text="When the law lets go of what was kept.", null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erasures",
                        to="clients.client",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "-created_at", "-id"], name="clients_erasure_recent"),
                    models.Index(condition=models.Q(("state", "waiting")), fields=["id"], name="clients_erasure_waiting"),
                ],
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_erasure_tenant_key"),
                    apps.core.constraints.SameAccount("client", name="clients_erasure_client_account"),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "withdrawn"), _negated=True), fields=("account", "client"), name="clients_erasure_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("erased_at__isnull", False), ("state", "done")),
                            models.Q(models.Q(("state", "done"), _negated=True), ("erased_at", None)),
                            _connector="OR",
                        ),
                        name="clients_erasure_done",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SubjectExport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("ready", "Ready"),
                            ("fetched", "Fetched"),
                            ("expired", "Expired"),
                            ("failed", "Failed"),
                        ],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("storage_key", models.CharField(blank=True, editable=False, max_length=100)),
                ("size", models.PositiveBigIntegerField(blank=True, help_text="Bytes.", null=True)),
                ("ready_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("fetched_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subject_exports",
                        to="clients.client",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(fields=["account", "-created_at", "-id"], name="clients_subjectexport_recent"),
                    models.Index(
                        condition=models.Q(("storage_key", ""), _negated=True), fields=["expires_at"], name="clients_subjectexport_expiring"
                    ),
                ],
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_subjectexport_tenant_key"),
                    apps.core.constraints.SameAccount("client", name="clients_subjectexport_client_account"),
                    models.CheckConstraint(
                        condition=models.Q(("storage_key", ""), ("storage_key__regex", "^[0-9]+/[0-9a-f-]{36}$"), _connector="OR"),
                        name="clients_subjectexport_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "ready"), _negated=True),
                            models.Q(models.Q(("storage_key", ""), _negated=True), ("expires_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="clients_subjectexport_ready",
                    ),
                ],
            },
        ),
        TenantPolicies("SubjectExport", "HistoricalSubjectExport", "Erasure", "HistoricalErasure"),
    ]
