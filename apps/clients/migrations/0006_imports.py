"""Lists of clients that come in and go out as files; two records that become one."""

import apps.core.constraints
import apps.core.models
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import simple_history.models
from django.conf import settings
from django.db import migrations, models
from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("clients", "0005_crm_online"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="client",
            name="merged_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="The records that were merged into this one.",
                size=None,
            ),
        ),
        migrations.CreateModel(
            name="ClientImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("name", models.CharField(max_length=200)),
                ("format", models.CharField(choices=[("csv", "Csv"), ("xlsx", "Xlsx")], max_length=4)),
                ("size", models.PositiveIntegerField()),
                ("storage_key", models.CharField(blank=True, editable=False, max_length=100)),
                ("encoding", models.CharField(blank=True, max_length=16)),
                ("delimiter", models.CharField(blank=True, max_length=1)),
                ("columns", models.JSONField(default=list)),
                ("sample", models.JSONField(default=list)),
                ("mapping", models.JSONField(blank=True, default=dict)),
                (
                    "on_duplicate",
                    models.CharField(choices=[("skip", "Skip"), ("update", "Update"), ("create", "Create")], default="skip", max_length=6),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("preview", "Preview"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                            ("undoing", "Undoing"),
                            ("undone", "Undone"),
                        ],
                        default="preview",
                        max_length=9,
                    ),
                ),
                ("total", models.PositiveIntegerField(blank=True, help_text="Rows of the file, when that is known.", null=True)),
                ("done", models.PositiveIntegerField(default=0)),
                ("created", models.PositiveIntegerField(default=0)),
                ("updated", models.PositiveIntegerField(default=0)),
                ("skipped", models.PositiveIntegerField(default=0)),
                ("bad", models.PositiveIntegerField(default=0)),
                ("removed", models.PositiveIntegerField(default=0, help_text="Of an undo: clients that were deleted again.")),
                ("restored", models.PositiveIntegerField(default=0, help_text="Of an undo: clients whose fields were put back.")),
                ("left", models.PositiveIntegerField(default=0, help_text="Of an undo: rows that stayed as they are, or in part.")),
                ("failure", models.CharField(blank=True, max_length=500)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ClientImportRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("line", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("created", "Created"),
                            ("updated", "Updated"),
                            ("skipped", "Skipped"),
                            ("bad", "Bad"),
                            ("removed", "Removed"),
                            ("restored", "Restored"),
                            ("left", "Left"),
                        ],
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("duplicates", models.JSONField(blank=True, default=list)),
                ("changes", models.JSONField(blank=True, default=dict)),
                ("raw", models.JSONField(blank=True, default=list)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="import_rows",
                        to="clients.client",
                    ),
                ),
                (
                    "source",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="clients.clientimport",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ClientMerge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("merged_at", models.DateTimeField()),
                ("moved", models.JSONField(default=dict)),
                ("fields", models.JSONField(default=dict)),
                ("logins", models.JSONField(default=dict)),
                ("undone_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "loser",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="losses",
                        to="clients.client",
                    ),
                ),
                (
                    "merged_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "winner",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="merges",
                        to="clients.client",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HistoricalClientExport",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("format", models.CharField(choices=[("csv", "Csv"), ("xlsx", "Xlsx")], max_length=4)),
                ("filters", models.JSONField(blank=True, default=dict)),
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
                ("rows", models.PositiveIntegerField(blank=True, null=True)),
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
                "verbose_name": "historical client export",
                "verbose_name_plural": "historical client exports",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalClientImport",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("name", models.CharField(max_length=200)),
                ("format", models.CharField(choices=[("csv", "Csv"), ("xlsx", "Xlsx")], max_length=4)),
                ("size", models.PositiveIntegerField()),
                ("encoding", models.CharField(blank=True, max_length=16)),
                ("delimiter", models.CharField(blank=True, max_length=1)),
                ("mapping", models.JSONField(blank=True, default=dict)),
                (
                    "on_duplicate",
                    models.CharField(choices=[("skip", "Skip"), ("update", "Update"), ("create", "Create")], default="skip", max_length=6),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("preview", "Preview"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                            ("undoing", "Undoing"),
                            ("undone", "Undone"),
                        ],
                        default="preview",
                        max_length=9,
                    ),
                ),
                ("total", models.PositiveIntegerField(blank=True, help_text="Rows of the file, when that is known.", null=True)),
                ("done", models.PositiveIntegerField(default=0)),
                ("created", models.PositiveIntegerField(default=0)),
                ("updated", models.PositiveIntegerField(default=0)),
                ("skipped", models.PositiveIntegerField(default=0)),
                ("bad", models.PositiveIntegerField(default=0)),
                ("removed", models.PositiveIntegerField(default=0, help_text="Of an undo: clients that were deleted again.")),
                ("restored", models.PositiveIntegerField(default=0, help_text="Of an undo: clients whose fields were put back.")),
                ("left", models.PositiveIntegerField(default=0, help_text="Of an undo: rows that stayed as they are, or in part.")),
                ("failure", models.CharField(blank=True, max_length=500)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
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
                    "history_user",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "uploaded_by",
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
                "verbose_name": "historical client import",
                "verbose_name_plural": "historical client imports",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="ClientExport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("format", models.CharField(choices=[("csv", "Csv"), ("xlsx", "Xlsx")], max_length=4)),
                ("filters", models.JSONField(blank=True, default=dict)),
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
                ("rows", models.PositiveIntegerField(blank=True, null=True)),
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
                    "requested_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "-created_at", "-id"], name="clients_clientexport_recent"),
                    models.Index(
                        condition=models.Q(("storage_key", ""), _negated=True), fields=["storage_key"], name="clients_clientexport_file"
                    ),
                    models.Index(
                        condition=models.Q(("storage_key", ""), _negated=True), fields=["expires_at"], name="clients_clientexport_ends"
                    ),
                ],
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_clientexport_tenant_key"),
                    models.CheckConstraint(
                        condition=models.Q(("storage_key", ""), ("storage_key__regex", "^[0-9]+/[0-9a-f-]{36}$"), _connector="OR"),
                        name="clients_clientexport_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "ready"), _negated=True),
                            models.Q(models.Q(("storage_key", ""), _negated=True), ("expires_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="clients_clientexport_ready",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="clientimport",
            index=models.Index(fields=["account", "-created_at", "-id"], name="clients_clientimport_recent"),
        ),
        migrations.AddIndex(
            model_name="clientimport",
            index=models.Index(
                condition=models.Q(("storage_key", ""), _negated=True), fields=["storage_key"], name="clients_clientimport_file"
            ),
        ),
        migrations.AddIndex(
            model_name="clientimport",
            index=models.Index(fields=["state", "updated_at"], name="clients_clientimport_state"),
        ),
        migrations.AddConstraint(
            model_name="clientimport",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_clientimport_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="clientimport",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__gte", 1), ("size__lte", 20971520)), name="clients_clientimport_size"
            ),
        ),
        migrations.AddConstraint(
            model_name="clientimport",
            constraint=models.CheckConstraint(
                condition=models.Q(("storage_key", ""), ("storage_key__regex", "^[0-9]+/[0-9a-f-]{36}$"), _connector="OR"),
                name="clients_clientimport_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="clientimport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "done",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(models.F("created"), "+", models.F("updated")),
                                "+",
                                models.F("skipped"),
                            ),
                            "+",
                            models.F("bad"),
                        ),
                    )
                ),
                name="clients_clientimport_adds_up",
            ),
        ),
        migrations.AddIndex(
            model_name="clientimportrow",
            index=models.Index(fields=["source", "state", "line"], name="clients_clientimportrow_list"),
        ),
        migrations.AddConstraint(
            model_name="clientimportrow",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_clientimportrow_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="clientimportrow",
            constraint=apps.core.constraints.SameAccount("source", name="clients_clientimportrow_source_account"),
        ),
        migrations.AddConstraint(
            model_name="clientimportrow",
            constraint=apps.core.constraints.SameAccount("client", name="clients_clientimportrow_client_account"),
        ),
        migrations.AddConstraint(
            model_name="clientimportrow",
            constraint=models.UniqueConstraint(fields=("source", "line"), name="clients_clientimportrow_once"),
        ),
        migrations.AddIndex(
            model_name="clientmerge",
            index=models.Index(fields=["account", "-created_at", "-id"], name="clients_clientmerge_recent"),
        ),
        migrations.AddIndex(
            model_name="clientmerge",
            index=models.Index(fields=["account", "winner"], name="clients_clientmerge_by_winner"),
        ),
        migrations.AddIndex(
            model_name="clientmerge",
            index=models.Index(condition=models.Q(("undone_at", None)), fields=["merged_at"], name="clients_clientmerge_fresh"),
        ),
        migrations.AddConstraint(
            model_name="clientmerge",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_clientmerge_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="clientmerge",
            constraint=apps.core.constraints.SameAccount("winner", name="clients_clientmerge_winner_account"),
        ),
        migrations.AddConstraint(
            model_name="clientmerge",
            constraint=apps.core.constraints.SameAccount("loser", name="clients_clientmerge_loser_account"),
        ),
        migrations.AddConstraint(
            model_name="clientmerge",
            constraint=models.CheckConstraint(
                condition=models.Q(("winner", models.F("loser")), _negated=True), name="clients_clientmerge_two_rows"
            ),
        ),
        migrations.AddConstraint(
            model_name="clientmerge",
            constraint=models.UniqueConstraint(
                condition=models.Q(("undone_at", None)), fields=("account", "loser"), name="clients_clientmerge_once"
            ),
        ),
        TenantPolicies(
            "ClientImport",
            "ClientImportRow",
            "ClientExport",
            "ClientMerge",
            "HistoricalClientImport",
            "HistoricalClientExport",
        ),
    ]
