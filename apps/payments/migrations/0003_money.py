import apps.core.constraints
import apps.core.models
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.db.models.functions.text
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("bookings", "0004_time_online"),
        ("catalog", "0004_time_online"),
        ("clients", "0003_money"),
        ("orders", "0005_money"),
        ("packages", "0003_time"),
        ("payments", "0002_policies"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalpayment",
            name="capture_ref",
            field=models.CharField(blank=True, db_default="", help_text="What refunds and disputes refer to there.", max_length=255),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="checks",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="disputed_cents",
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text="Taken back by an open dispute."),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="expires_at",
            field=models.DateTimeField(blank=True, help_text="How long what was sold waits for the money.", null=True),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="extended",
            field=models.BooleanField(
                db_default=False, default=False, help_text="It was still processing at expires_at and got more time."
            ),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="failure",
            field=models.CharField(
                blank=True, db_default="", help_text="Why the last attempt failed: the provider's code.", max_length=100
            ),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="is_late",
            field=models.BooleanField(db_default=False, default=False, help_text="The money came when nobody waited for it any more."),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="next_check_at",
            field=models.DateTimeField(blank=True, help_text="When the provider is asked again.", null=True),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="payee",
            field=models.CharField(
                blank=True, db_default="", help_text="Who is to get the money, as the provider names us.", max_length=255
            ),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="provider_ref",
            field=models.CharField(blank=True, db_default="", help_text="The payment's name at its provider.", max_length=255),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="refunded_cents",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="refunding_cents",
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text="On its way back, not yet confirmed."),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="review",
            field=models.CharField(blank=True, db_default="", help_text="Why staff have to look at it.", max_length=255),
        ),
        migrations.AddField(
            model_name="historicalpayment",
            name="start_time",
            field=models.DateTimeField(blank=True, help_text="The start that is held for the booking until this is paid.", null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="capture_ref",
            field=models.CharField(blank=True, db_default="", help_text="What refunds and disputes refer to there.", max_length=255),
        ),
        migrations.AddField(
            model_name="payment",
            name="checks",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="payment",
            name="disputed_cents",
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text="Taken back by an open dispute."),
        ),
        migrations.AddField(
            model_name="payment",
            name="expires_at",
            field=models.DateTimeField(blank=True, help_text="How long what was sold waits for the money.", null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="extended",
            field=models.BooleanField(
                db_default=False, default=False, help_text="It was still processing at expires_at and got more time."
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="failure",
            field=models.CharField(
                blank=True, db_default="", help_text="Why the last attempt failed: the provider's code.", max_length=100
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="is_late",
            field=models.BooleanField(db_default=False, default=False, help_text="The money came when nobody waited for it any more."),
        ),
        migrations.AddField(
            model_name="payment",
            name="next_check_at",
            field=models.DateTimeField(blank=True, help_text="When the provider is asked again.", null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="payee",
            field=models.CharField(
                blank=True, db_default="", help_text="Who is to get the money, as the provider names us.", max_length=255
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="provider_ref",
            field=models.CharField(blank=True, db_default="", help_text="The payment's name at its provider.", max_length=255),
        ),
        migrations.AddField(
            model_name="payment",
            name="refunded_cents",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="payment",
            name="refunding_cents",
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text="On its way back, not yet confirmed."),
        ),
        migrations.AddField(
            model_name="payment",
            name="review",
            field=models.CharField(blank=True, db_default="", help_text="Why staff have to look at it.", max_length=255),
        ),
        migrations.AddField(
            model_name="payment",
            name="start_time",
            field=models.DateTimeField(blank=True, help_text="The start that is held for the booking until this is paid.", null=True),
        ),
        migrations.AlterField(
            model_name="historicalpayment",
            name="method",
            field=models.CharField(
                choices=[
                    ("cash", "Cash"),
                    ("bank_transfer", "Bank Transfer"),
                    ("stripe", "Stripe"),
                    ("paypal", "Paypal"),
                    ("wallet", "Wallet"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="historicalpayment",
            name="status",
            field=models.CharField(
                choices=[
                    ("new", "New"),
                    ("pending", "Pending"),
                    ("requires_action", "Requires Action"),
                    ("authorized", "Authorized"),
                    ("succeeded", "Succeeded"),
                    ("failed", "Failed"),
                    ("cancelled", "Cancelled"),
                    ("unknown", "Unknown"),
                ],
                default="pending",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="method",
            field=models.CharField(
                choices=[
                    ("cash", "Cash"),
                    ("bank_transfer", "Bank Transfer"),
                    ("stripe", "Stripe"),
                    ("paypal", "Paypal"),
                    ("wallet", "Wallet"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="status",
            field=models.CharField(
                choices=[
                    ("new", "New"),
                    ("pending", "Pending"),
                    ("requires_action", "Requires Action"),
                    ("authorized", "Authorized"),
                    ("succeeded", "Succeeded"),
                    ("failed", "Failed"),
                    ("cancelled", "Cancelled"),
                    ("unknown", "Unknown"),
                ],
                default="pending",
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="BankLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("booked_on", models.DateField()),
                ("amount_cents", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("text", models.CharField(help_text="Purpose and sender, as the bank wrote them.", max_length=500)),
                ("fingerprint", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[("matched", "Matched"), ("unmatched", "Unmatched"), ("mismatch", "Mismatch"), ("ignored", "Ignored")],
                        max_length=10,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=255)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="bank_lines",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_bankline_tenant_key"),
                    apps.core.constraints.SameAccount("payment", name="payments_bankline_payment_account"),
                    models.UniqueConstraint(fields=("account", "fingerprint"), name="payments_bankline_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "matched")), fields=("payment",), name="payments_bankline_one_per_payment"
                    ),
                ],
                "indexes": [models.Index(fields=["account", "-created_at", "-id"], name="payments_bankline_recent")],
            },
        ),
        migrations.CreateModel(
            name="Coupon",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("code", models.CharField(max_length=40)),
                ("kind", models.CharField(choices=[("fixed", "Fixed"), ("percent", "Percent")], max_length=7)),
                ("value", models.PositiveBigIntegerField()),
                ("minimum_cents", models.PositiveBigIntegerField(default=0, help_text="Only from this price on.")),
                ("max_uses", models.PositiveIntegerField(blank=True, help_text="By everybody; empty: any number.", null=True)),
                ("max_uses_per_client", models.PositiveIntegerField(blank=True, default=1, null=True)),
                ("first_order_only", models.BooleanField(default=False)),
                ("valid_from", models.DateTimeField(blank=True, null=True)),
                ("valid_until", models.DateTimeField(blank=True, null=True)),
                ("uses", models.PositiveIntegerField(default=0, editable=False)),
                ("is_active", models.BooleanField(default=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "package",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Only for this package.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="coupons",
                        to="packages.package",
                    ),
                ),
                (
                    "service",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Only for this service.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="coupons",
                        to="catalog.service",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_coupon_tenant_key"),
                    apps.core.constraints.SameAccount("package", name="payments_coupon_package_account"),
                    apps.core.constraints.SameAccount("service", name="payments_coupon_service_account"),
                    models.UniqueConstraint(
                        models.F("account"),
                        django.db.models.functions.text.Upper("code"),
                        name="payments_coupon_unique_code",
                        violation_error_message="There is a coupon with this code.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("value__gte", 1), models.Q(models.Q(("kind", "percent"), _negated=True), ("value__lte", 100), _connector="OR")
                        ),
                        name="payments_coupon_value",
                        violation_error_message="A coupon takes off at least 1 cent, and at most 100 per cent.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_uses", None), ("uses__lte", models.F("max_uses")), _connector="OR"),
                        name="payments_coupon_uses",
                        violation_error_message="It was used more often than that already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_from", None), ("valid_until", None), ("valid_until__gt", models.F("valid_from")), _connector="OR"
                        ),
                        name="payments_coupon_validity",
                        violation_error_message="valid_until must lie after valid_from.",
                    ),
                ],
                "indexes": [models.Index(fields=["account", "-created_at", "-id"], name="payments_coupon_recent")],
            },
        ),
        migrations.CreateModel(
            name="DepositRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("name", models.CharField(max_length=100)),
                ("kind", models.CharField(choices=[("fixed", "Fixed"), ("percent", "Percent")], max_length=7)),
                ("value", models.PositiveBigIntegerField()),
                ("client_tag", models.CharField(blank=True, help_text="Only for clients with this tag.", max_length=50)),
                ("minimum_cents", models.PositiveBigIntegerField(default=0, help_text="Only from this total on.")),
                ("first_order_only", models.BooleanField(default=False, help_text="Only for a client's first purchase.")),
                (
                    "min_no_shows",
                    models.PositiveSmallIntegerField(default=0, help_text="Only for clients who missed at least so many sessions."),
                ),
                ("is_active", models.BooleanField(default=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "package",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deposit_rules",
                        to="packages.package",
                    ),
                ),
                (
                    "service",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deposit_rules",
                        to="catalog.service",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_depositrule_tenant_key"),
                    apps.core.constraints.SameAccount("package", name="payments_depositrule_package_account"),
                    apps.core.constraints.SameAccount("service", name="payments_depositrule_service_account"),
                    models.UniqueConstraint(fields=("account", "name"), name="payments_depositrule_unique_name"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("value__gte", 1), models.Q(models.Q(("kind", "percent"), _negated=True), ("value__lte", 100), _connector="OR")
                        ),
                        name="payments_depositrule_value",
                        violation_error_message="A deposit is at least 1 cent, and at most 100 per cent.",
                    ),
                ],
                "indexes": [models.Index(fields=["account", "-created_at", "-id"], name="payments_depositrule_recent")],
            },
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("provider_ref", models.CharField(max_length=255)),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("reason", models.CharField(blank=True, max_length=100)),
                ("status", models.CharField(choices=[("open", "Open"), ("won", "Won"), ("lost", "Lost")], default="open", max_length=4)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="disputes", to="clients.client"
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="disputes", to="orders.order"
                    ),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="disputes", to="payments.payment"
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_dispute_tenant_key"),
                    apps.core.constraints.SameAccount("payment", name="payments_dispute_payment_account"),
                    apps.core.constraints.SameAccount("order", name="payments_dispute_order_account"),
                    apps.core.constraints.SameAccount("client", name="payments_dispute_client_account"),
                    models.UniqueConstraint(fields=("account", "provider_ref"), name="payments_dispute_unique_provider_ref"),
                    models.CheckConstraint(
                        condition=models.Q(("status", "open"), ("closed_at__isnull", False), _connector="OR"),
                        name="payments_dispute_closed",
                    ),
                ],
                "indexes": [models.Index(fields=["account", "-created_at", "-id"], name="payments_dispute_recent")],
            },
        ),
        migrations.CreateModel(
            name="GiftCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("code_hash", models.CharField(editable=False, max_length=64)),
                ("last4", models.CharField(max_length=4)),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("inactive", "Inactive"),
                            ("active", "Active"),
                            ("redeemed", "Redeemed"),
                            ("void", "Void"),
                            ("expired", "Expired"),
                        ],
                        default="active",
                        max_length=8,
                    ),
                ),
                (
                    "taxed_at_sale",
                    models.BooleanField(
                        default=False, help_text="A single-purpose voucher: its sale is taxed, its credit is not a liability."
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("redeemed_at", models.DateTimeField(blank=True, null=True)),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Who redeemed it.",
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="redeemed_gift_codes",
                        to="clients.client",
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Its sale, when it was sold.",
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="gift_codes",
                        to="orders.order",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_giftcode_tenant_key"),
                    apps.core.constraints.SameAccount("order", name="payments_giftcode_order_account"),
                    apps.core.constraints.SameAccount("client", name="payments_giftcode_client_account"),
                    models.UniqueConstraint(fields=("account", "code_hash"), name="payments_giftcode_unique_code"),
                    models.CheckConstraint(condition=models.Q(("amount_cents__gte", 1)), name="payments_giftcode_amount"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "redeemed"), _negated=True),
                            models.Q(("client__isnull", False), ("redeemed_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="payments_giftcode_redeemed",
                    ),
                ],
                "indexes": [models.Index(fields=["account", "-created_at", "-id"], name="payments_giftcode_recent")],
            },
        ),
        migrations.CreateModel(
            name="HistoricalCoupon",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("code", models.CharField(max_length=40)),
                ("kind", models.CharField(choices=[("fixed", "Fixed"), ("percent", "Percent")], max_length=7)),
                ("value", models.PositiveBigIntegerField()),
                ("minimum_cents", models.PositiveBigIntegerField(default=0, help_text="Only from this price on.")),
                ("max_uses", models.PositiveIntegerField(blank=True, help_text="By everybody; empty: any number.", null=True)),
                ("max_uses_per_client", models.PositiveIntegerField(blank=True, default=1, null=True)),
                ("first_order_only", models.BooleanField(default=False)),
                ("valid_from", models.DateTimeField(blank=True, null=True)),
                ("valid_until", models.DateTimeField(blank=True, null=True)),
                ("uses", models.PositiveIntegerField(default=0, editable=False)),
                ("is_active", models.BooleanField(default=True)),
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
                    "package",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Only for this package.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="packages.package",
                    ),
                ),
                (
                    "service",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Only for this service.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="catalog.service",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical coupon",
                "verbose_name_plural": "historical coupons",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalDepositRule",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("name", models.CharField(max_length=100)),
                ("kind", models.CharField(choices=[("fixed", "Fixed"), ("percent", "Percent")], max_length=7)),
                ("value", models.PositiveBigIntegerField()),
                ("client_tag", models.CharField(blank=True, help_text="Only for clients with this tag.", max_length=50)),
                ("minimum_cents", models.PositiveBigIntegerField(default=0, help_text="Only from this total on.")),
                ("first_order_only", models.BooleanField(default=False, help_text="Only for a client's first purchase.")),
                (
                    "min_no_shows",
                    models.PositiveSmallIntegerField(default=0, help_text="Only for clients who missed at least so many sessions."),
                ),
                ("is_active", models.BooleanField(default=True)),
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
                    "package",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="packages.package",
                    ),
                ),
                (
                    "service",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="catalog.service",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical deposit rule",
                "verbose_name_plural": "historical deposit rules",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalDispute",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("provider_ref", models.CharField(max_length=255)),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("reason", models.CharField(blank=True, max_length=100)),
                ("status", models.CharField(choices=[("open", "Open"), ("won", "Won"), ("lost", "Lost")], default="open", max_length=4)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
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
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orders.order",
                    ),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical dispute",
                "verbose_name_plural": "historical disputes",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalGiftCode",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("last4", models.CharField(max_length=4)),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("inactive", "Inactive"),
                            ("active", "Active"),
                            ("redeemed", "Redeemed"),
                            ("void", "Void"),
                            ("expired", "Expired"),
                        ],
                        default="active",
                        max_length=8,
                    ),
                ),
                (
                    "taxed_at_sale",
                    models.BooleanField(
                        default=False, help_text="A single-purpose voucher: its sale is taxed, its credit is not a liability."
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("redeemed_at", models.DateTimeField(blank=True, null=True)),
                ("reason", models.CharField(blank=True, max_length=500)),
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
                        help_text="Who redeemed it.",
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
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Its sale, when it was sold.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orders.order",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical gift code",
                "verbose_name_plural": "historical gift codes",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalProviderAccount",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("provider", models.CharField(choices=[("stripe", "Stripe"), ("paypal", "Paypal")], max_length=16)),
                ("public", models.JSONField(blank=True, default=dict, help_text="What may be shown: publishable key, client id …")),
                (
                    "payee",
                    models.CharField(blank=True, help_text="Who gets the money, as the provider names this account.", max_length=255),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("checked_at", models.DateTimeField(blank=True, help_text="When the provider last knew these credentials.", null=True)),
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
            ],
            options={
                "verbose_name": "historical provider account",
                "verbose_name_plural": "historical provider accounts",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalReferralReward",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("points", models.PositiveIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("granted", "Granted"), ("refused", "Refused"), ("clawed_back", "Clawed Back")],
                        default="pending",
                        max_length=12,
                    ),
                ),
                ("why", models.CharField(blank=True, help_text="Why it was refused.", max_length=100)),
                ("grant_at", models.DateTimeField(help_text="When the hold ends.")),
                ("granted_at", models.DateTimeField(blank=True, null=True)),
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
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orders.order",
                    ),
                ),
                (
                    "referee",
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
                    "referrer",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical referral reward",
                "verbose_name_plural": "historical referral rewards",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Instalment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "kind",
                    models.CharField(choices=[("deposit", "Deposit"), ("instalment", "Instalment"), ("balance", "Balance")], max_length=10),
                ),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="instalments", to="clients.client"
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="instalments",
                        to="orders.order",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_instalment_tenant_key"),
                    apps.core.constraints.SameAccount("order", name="payments_instalment_order_account"),
                    apps.core.constraints.SameAccount("client", name="payments_instalment_client_account"),
                    models.UniqueConstraint(fields=("order", "position"), name="payments_instalment_unique_position"),
                    models.CheckConstraint(condition=models.Q(("amount_cents__gte", 1)), name="payments_instalment_amount"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Invoice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("kind", models.CharField(choices=[("invoice", "Invoice"), ("credit_note", "Credit Note")], max_length=11)),
                ("series", models.CharField(max_length=32)),
                ("sequence", models.PositiveBigIntegerField()),
                ("number", models.CharField(max_length=50)),
                ("issued_at", models.DateTimeField()),
                ("net_cents", models.BigIntegerField()),
                ("tax_cents", models.BigIntegerField()),
                ("total_cents", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("document", models.JSONField()),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="invoices", to="clients.client"
                    ),
                ),
                (
                    "corrects",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="corrections",
                        to="payments.invoice",
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="invoices", to="orders.order"
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_invoice_tenant_key"),
                    apps.core.constraints.SameAccount("order", name="payments_invoice_order_account"),
                    apps.core.constraints.SameAccount("client", name="payments_invoice_client_account"),
                    apps.core.constraints.SameAccount("corrects", name="payments_invoice_corrects_account"),
                    models.UniqueConstraint(fields=("account", "series", "sequence"), name="payments_invoice_unique_sequence"),
                    models.UniqueConstraint(fields=("account", "number"), name="payments_invoice_unique_number"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "total_cents",
                                django.db.models.expressions.CombinedExpression(models.F("net_cents"), "+", models.F("tax_cents")),
                            )
                        ),
                        name="payments_invoice_sum",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind", "invoice"), ("corrects__isnull", False), _connector="OR"),
                        name="payments_invoice_credit_note_corrects",
                    ),
                ],
                "indexes": [models.Index(fields=["account", "kind", "-created_at", "-id"], name="payments_invoice_recent")],
            },
        ),
        migrations.CreateModel(
            name="ProviderAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("provider", models.CharField(choices=[("stripe", "Stripe"), ("paypal", "Paypal")], max_length=16)),
                ("public", models.JSONField(blank=True, default=dict, help_text="What may be shown: publishable key, client id …")),
                ("secrets", models.TextField(blank=True, editable=False)),
                (
                    "payee",
                    models.CharField(blank=True, help_text="Who gets the money, as the provider names this account.", max_length=255),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("checked_at", models.DateTimeField(blank=True, help_text="When the provider last knew these credentials.", null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_provideraccount_tenant_key"),
                    models.UniqueConstraint(
                        fields=("account", "provider"),
                        name="payments_provideraccount_unique_provider",
                        violation_error_message="This provider is set up already.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("provider", models.CharField(choices=[("stripe", "Stripe"), ("paypal", "Paypal")], max_length=16)),
                ("event_id", models.CharField(max_length=255)),
                ("type", models.CharField(max_length=100)),
                ("subject", models.CharField(max_length=10)),
                ("reference", models.CharField(blank=True, max_length=255)),
                ("body", models.TextField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("received", "Received"),
                            ("processed", "Processed"),
                            ("ignored", "Ignored"),
                            ("quarantined", "Quarantined"),
                            ("failed", "Failed"),
                        ],
                        default="received",
                        max_length=12,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=255)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("processed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="provider_events",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_providerevent_tenant_key"),
                    apps.core.constraints.SameAccount("payment", name="payments_providerevent_payment_account"),
                    models.UniqueConstraint(fields=("account", "provider", "event_id"), name="payments_providerevent_once"),
                ],
                "indexes": [
                    models.Index(fields=["account", "-created_at", "-id"], name="payments_providerevent_recent"),
                    models.Index(
                        condition=models.Q(("status__in", ["received", "failed"])),
                        fields=["created_at"],
                        name="payments_providerevent_left",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReferralReward",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("points", models.PositiveIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("granted", "Granted"), ("refused", "Refused"), ("clawed_back", "Clawed Back")],
                        default="pending",
                        max_length=12,
                    ),
                ),
                ("why", models.CharField(blank=True, help_text="Why it was refused.", max_length=100)),
                ("grant_at", models.DateTimeField(help_text="When the hold ends.")),
                ("granted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="referral_rewards",
                        to="orders.order",
                    ),
                ),
                (
                    "referee",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="referred_rewards",
                        to="clients.client",
                    ),
                ),
                (
                    "referrer",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="rewards", to="clients.client"
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_referralreward_tenant_key"),
                    apps.core.constraints.SameAccount("referrer", name="payments_referralreward_referrer_account"),
                    apps.core.constraints.SameAccount("referee", name="payments_referralreward_referee_account"),
                    apps.core.constraints.SameAccount("order", name="payments_referralreward_order_account"),
                    models.UniqueConstraint(fields=("account", "referee"), name="payments_referralreward_one_per_referee"),
                    models.CheckConstraint(
                        condition=models.Q(("referrer", models.F("referee")), _negated=True), name="payments_referralreward_no_self"
                    ),
                ],
                "indexes": [
                    models.Index(condition=models.Q(("status", "pending")), fields=["grant_at"], name="payments_referralreward_due")
                ],
            },
        ),
        migrations.CreateModel(
            name="Wallet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="wallet", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="CouponUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("amount_cents", models.PositiveBigIntegerField()),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="coupon_uses", to="clients.client"
                    ),
                ),
                (
                    "coupon",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="redemptions", to="payments.coupon"
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name="coupon_uses", to="orders.order"
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_couponuse_tenant_key"),
                    apps.core.constraints.SameAccount("coupon", name="payments_couponuse_coupon_account"),
                    apps.core.constraints.SameAccount("order", name="payments_couponuse_order_account"),
                    apps.core.constraints.SameAccount("client", name="payments_couponuse_client_account"),
                    models.UniqueConstraint(fields=("order",), name="payments_couponuse_one_per_order"),
                ],
            },
        ),
        migrations.CreateModel(
            name="CreditNote",
            fields=[],
            options={
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("payments.invoice",),
        ),
        migrations.CreateModel(
            name="HistoricalRefund",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("group", models.UUIDField()),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("cash", "Cash"),
                            ("bank_transfer", "Bank Transfer"),
                            ("stripe", "Stripe"),
                            ("paypal", "Paypal"),
                            ("wallet", "Wallet"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("pending", "Pending"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("unknown", "Unknown"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("provider_ref", models.CharField(blank=True, max_length=255)),
                ("failure", models.CharField(blank=True, max_length=100)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("next_check_at", models.DateTimeField(blank=True, null=True)),
                ("checks", models.PositiveSmallIntegerField(default=0)),
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
                    "approved_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Who gets the money: the payer.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
                (
                    "dispute",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="payments.dispute",
                    ),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orders.order",
                    ),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="payments.payment",
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
                "verbose_name": "historical refund",
                "verbose_name_plural": "historical refunds",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="InvoiceLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "invoice",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="lines", to="payments.invoice"
                    ),
                ),
                (
                    "order_line",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="invoice_lines",
                        to="orders.orderline",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_invoiceline_tenant_key"),
                    apps.core.constraints.SameAccount("invoice", name="payments_invoiceline_invoice_account"),
                    apps.core.constraints.SameAccount("order_line", name="payments_invoiceline_order_line_account"),
                    models.UniqueConstraint(fields=("order_line",), name="payments_invoiceline_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PointsEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("earned", "Earned"),
                            ("referral", "Referral"),
                            ("redeemed", "Redeemed"),
                            ("clawed_back", "Clawed Back"),
                            ("adjusted", "Adjusted"),
                        ],
                        max_length=12,
                    ),
                ),
                ("points", models.IntegerField()),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="points",
                        to="clients.client",
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="points",
                        to="orders.order",
                    ),
                ),
                (
                    "reward",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="points_entries",
                        to="payments.referralreward",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_pointsentry_tenant_key"),
                    apps.core.constraints.SameAccount("client", name="payments_pointsentry_client_account"),
                    apps.core.constraints.SameAccount("order", name="payments_pointsentry_order_account"),
                    apps.core.constraints.SameAccount("reward", name="payments_pointsentry_reward_account"),
                    models.CheckConstraint(condition=models.Q(("points", 0), _negated=True), name="payments_pointsentry_not_zero"),
                ],
                "indexes": [models.Index(fields=["account", "client", "id"], name="payments_pointsentry_of")],
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("group", models.UUIDField()),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("cash", "Cash"),
                            ("bank_transfer", "Bank Transfer"),
                            ("stripe", "Stripe"),
                            ("paypal", "Paypal"),
                            ("wallet", "Wallet"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("pending", "Pending"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("unknown", "Unknown"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("provider_ref", models.CharField(blank=True, max_length=255)),
                ("failure", models.CharField(blank=True, max_length=100)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("next_check_at", models.DateTimeField(blank=True, null=True)),
                ("checks", models.PositiveSmallIntegerField(default=0)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        help_text="Who gets the money: the payer.",
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="refunds",
                        to="clients.client",
                    ),
                ),
                (
                    "dispute",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="refunds",
                        to="payments.dispute",
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="refunds", to="orders.order"
                    ),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="refunds", to="payments.payment"
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
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_refund_tenant_key"),
                    apps.core.constraints.SameAccount("payment", name="payments_refund_payment_account"),
                    apps.core.constraints.SameAccount("order", name="payments_refund_order_account"),
                    apps.core.constraints.SameAccount("client", name="payments_refund_client_account"),
                    apps.core.constraints.SameAccount("dispute", name="payments_refund_dispute_account"),
                    models.CheckConstraint(condition=models.Q(("amount_cents__gte", 1)), name="payments_refund_amount"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "succeeded"), _negated=True), ("completed_at__isnull", False), _connector="OR"
                        ),
                        name="payments_refund_completed",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("provider_ref", ""), _negated=True),
                        fields=("account", "method", "provider_ref"),
                        name="payments_refund_unique_provider_ref",
                    ),
                ],
                "indexes": [
                    models.Index(fields=["account", "-created_at", "-id"], name="payments_refund_recent"),
                    models.Index(
                        condition=models.Q(("next_check_at__isnull", False)), fields=["next_check_at"], name="payments_refund_to_check"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WalletBalance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("currency", models.CharField(max_length=3)),
                ("balance_cents", models.BigIntegerField(default=0)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="wallet_balances",
                        to="clients.client",
                    ),
                ),
                ("wallet", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="balances", to="payments.wallet")),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_walletbalance_tenant_key"),
                    apps.core.constraints.SameAccount("client", name="payments_walletbalance_client_account"),
                    models.UniqueConstraint(fields=("account", "wallet", "currency"), name="payments_walletbalance_one_per_currency"),
                    models.CheckConstraint(condition=models.Q(("balance_cents__gte", 0)), name="payments_walletbalance_not_negative"),
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerTransaction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("sale", "Sale"),
                            ("payment", "Payment"),
                            ("refund", "Refund"),
                            ("dispute", "Dispute"),
                            ("credit", "Credit"),
                        ],
                        max_length=10,
                    ),
                ),
                ("memo", models.CharField(blank=True, max_length=255)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="ledger_transactions",
                        to="clients.client",
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="ledger_transactions",
                        to="orders.order",
                    ),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="ledger_transactions",
                        to="payments.payment",
                    ),
                ),
                (
                    "reverses",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="reversed_by",
                        to="payments.ledgertransaction",
                    ),
                ),
                (
                    "refund",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="ledger_transactions",
                        to="payments.refund",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_ledgertransaction_tenant_key"),
                    apps.core.constraints.SameAccount("order", name="payments_ledgertransaction_order_account"),
                    apps.core.constraints.SameAccount("client", name="payments_ledgertransaction_client_account"),
                    apps.core.constraints.SameAccount("payment", name="payments_ledgertransaction_payment_account"),
                    apps.core.constraints.SameAccount("refund", name="payments_ledgertransaction_refund_account"),
                    apps.core.constraints.SameAccount("reverses", name="payments_ledgertransaction_reverses_account"),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "payment")), fields=("payment",), name="payments_ledgertransaction_one_per_payment"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "refund")), fields=("refund",), name="payments_ledgertransaction_one_per_refund"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("reverses__isnull", False)),
                        fields=("reverses",),
                        name="payments_ledgertransaction_reversed_once",
                    ),
                ],
                "indexes": [
                    models.Index(fields=["account", "-created_at", "-id"], name="payments_ledgertransaction_rec"),
                    models.Index(fields=["account", "order", "id"], name="payments_ledgertransaction_ord"),
                    models.Index(
                        condition=models.Q(("payment__isnull", False)), fields=["account", "payment"], name="payments_ledgertransaction_pay"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WalletLot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("gift", "Gift"),
                            ("refund", "Refund"),
                            ("goodwill", "Goodwill"),
                            ("top_up", "Top Up"),
                            ("referral", "Referral"),
                        ],
                        max_length=10,
                    ),
                ),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("remaining_cents", models.PositiveBigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("is_cashable", models.BooleanField(default=False, help_text="It may be paid out.")),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "balance",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="lots",
                        to="payments.walletbalance",
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="wallet_lots", to="clients.client"
                    ),
                ),
                (
                    "gift_code",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="lots",
                        to="payments.giftcode",
                    ),
                ),
                (
                    "refund",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="lots",
                        to="payments.refund",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_walletlot_tenant_key"),
                    apps.core.constraints.SameAccount("balance", name="payments_walletlot_balance_account"),
                    apps.core.constraints.SameAccount("client", name="payments_walletlot_client_account"),
                    apps.core.constraints.SameAccount("gift_code", name="payments_walletlot_gift_code_account"),
                    apps.core.constraints.SameAccount("refund", name="payments_walletlot_refund_account"),
                    models.CheckConstraint(
                        condition=models.Q(("remaining_cents__lte", models.F("amount_cents"))), name="payments_walletlot_remaining"
                    ),
                    models.CheckConstraint(condition=models.Q(("amount_cents__gte", 1)), name="payments_walletlot_amount"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("remaining_cents__gt", 0)), fields=["balance", "expires_at"], name="payments_walletlot_live"
                    ),
                    models.Index(
                        condition=models.Q(("expires_at__isnull", False), ("remaining_cents__gt", 0)),
                        fields=["expires_at"],
                        name="payments_walletlot_expiring",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "book",
                    models.CharField(
                        choices=[
                            ("receivable", "Receivable"),
                            ("cash", "Cash"),
                            ("bank", "Bank"),
                            ("stripe", "Stripe"),
                            ("paypal", "Paypal"),
                            ("disputed", "Disputed"),
                            ("deferred", "Deferred"),
                            ("revenue", "Revenue"),
                            ("forfeited", "Forfeited"),
                            ("fees", "Fees"),
                            ("tax", "Tax"),
                            ("wallet", "Wallet"),
                            ("gift", "Gift"),
                            ("goodwill", "Goodwill"),
                        ],
                        max_length=12,
                    ),
                ),
                ("amount_cents", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "booking",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="ledger_entries",
                        to="bookings.booking",
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="ledger_entries",
                        to="clients.client",
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="ledger_entries",
                        to="orders.order",
                    ),
                ),
                (
                    "transaction",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="entries",
                        to="payments.ledgertransaction",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_ledgerentry_tenant_key"),
                    apps.core.constraints.SameAccount("transaction", name="payments_ledgerentry_transaction_account"),
                    apps.core.constraints.SameAccount("order", name="payments_ledgerentry_order_account"),
                    apps.core.constraints.SameAccount("booking", name="payments_ledgerentry_booking_account"),
                    apps.core.constraints.SameAccount("client", name="payments_ledgerentry_client_account"),
                    models.CheckConstraint(condition=models.Q(("amount_cents", 0), _negated=True), name="payments_ledgerentry_not_zero"),
                ],
                "indexes": [
                    models.Index(fields=["account", "transaction"], name="payments_ledgerentry_of"),
                    models.Index(fields=["account", "-created_at", "-id"], name="payments_ledgerentry_recent"),
                    models.Index(
                        condition=models.Q(("client__isnull", False)),
                        fields=["account", "client", "id"],
                        name="payments_ledgerentry_by_client",
                    ),
                    models.Index(fields=["account", "book", "created_at"], name="payments_ledgerentry_by_book"),
                    models.Index(
                        condition=models.Q(("order__isnull", False)), fields=["account", "order"], name="payments_ledgerentry_by_order"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WalletSpend",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("amount_cents", models.PositiveBigIntegerField()),
                ("returned_cents", models.PositiveBigIntegerField(default=0)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "lot",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="spends", to="payments.walletlot"
                    ),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="wallet_spends",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_walletspend_tenant_key"),
                    apps.core.constraints.SameAccount("lot", name="payments_walletspend_lot_account"),
                    apps.core.constraints.SameAccount("payment", name="payments_walletspend_payment_account"),
                    models.UniqueConstraint(fields=("lot", "payment"), name="payments_walletspend_once"),
                    models.CheckConstraint(
                        condition=models.Q(("returned_cents__lte", models.F("amount_cents"))), name="payments_walletspend_returned"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WalletTransaction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "kind",
                    models.CharField(
                        choices=[("credit", "Credit"), ("spend", "Spend"), ("return", "Return"), ("expire", "Expire"), ("debit", "Debit")],
                        max_length=8,
                    ),
                ),
                ("amount_cents", models.BigIntegerField()),
                ("balance_after_cents", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "balance",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="transactions",
                        to="payments.walletbalance",
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="wallet_transactions",
                        to="clients.client",
                    ),
                ),
                (
                    "lot",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="transactions",
                        to="payments.walletlot",
                    ),
                ),
                (
                    "payment",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="wallet_transactions",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    apps.core.constraints.TenantKey(fields=("account", "id"), name="payments_wallettransaction_tenant_key"),
                    apps.core.constraints.SameAccount("balance", name="payments_wallettransaction_balance_account"),
                    apps.core.constraints.SameAccount("client", name="payments_wallettransaction_client_account"),
                    apps.core.constraints.SameAccount("lot", name="payments_wallettransaction_lot_account"),
                    apps.core.constraints.SameAccount("payment", name="payments_wallettransaction_payment_account"),
                ],
                "indexes": [
                    models.Index(fields=["account", "-created_at", "-id"], name="payments_wallettransaction_rec"),
                    models.Index(fields=["balance", "id"], name="payments_wallettransaction_of"),
                ],
            },
        ),
    ]
