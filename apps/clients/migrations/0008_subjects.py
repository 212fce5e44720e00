"""Access by e-mailed links."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.core.constraints
import apps.core.models
from apps.core.operations import TenantPolicies


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("clients", "0007_imports_online"),
    ]

    operations = [
        migrations.CreateModel(
            name="GuestAccess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("address_digest", models.CharField(max_length=64)),
                ("link_digest", models.CharField(max_length=64)),
                ("token_digest", models.CharField(blank=True, max_length=64, null=True)),
                ("expires_at", models.DateTimeField()),
                ("opened_at", models.DateTimeField(blank=True, null=True)),
                ("closed_at", models.DateTimeField(blank=True, help_text="When the client signed out.", null=True)),
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
                        related_name="guest_accesses",
                        to="clients.client",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "guest accesses",
                "indexes": [models.Index(fields=["account", "client", "expires_at"], name="clients_guestaccess_of")],
                "constraints": [
                    apps.core.constraints.SameAccount("client", name="clients_guestaccess_client_account"),
                    models.UniqueConstraint(fields=("account", "link_digest"), name="clients_guestaccess_unique_link"),
                    models.UniqueConstraint(fields=("account", "token_digest"), name="clients_guestaccess_unique_token"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("opened_at", None), ("token_digest", None)),
                            models.Q(("opened_at__isnull", False), ("token_digest__isnull", False)),
                            _connector="OR",
                        ),
                        name="clients_guestaccess_token_when_opened",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("closed_at", None),
                            models.Q(("closed_at__gte", models.F("opened_at")), ("opened_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="clients_guestaccess_closed_after_opened",
                    ),
                ],
            },
        ),
        TenantPolicies("GuestAccess"),
    ]
