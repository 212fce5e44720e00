import apps.accounts.models
import apps.core.constraints
import apps.core.models
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from apps.core.operations import BY_CLIENT, TenantPolicies


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("bookings", "0002_policies"),
        ("catalog", "0002_policies"),
        ("clients", "0002_policies"),
        ("orders", "0002_policies"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="booking",
            name="allocation",
            field=models.CharField(
                blank=True, db_default="", help_text="Why this practitioner: chosen, same, previous, load.", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="attendee_name",
            field=models.CharField(blank=True, db_default="", help_text="Who comes, when it is not the client.", max_length=255),
        ),
        migrations.AddField(
            model_name="booking",
            name="booked_at",
            field=models.DateTimeField(blank=True, help_text="When it got its time; the grace period counts from here.", null=True),
        ),
        migrations.AddField(
            model_name="booking",
            name="cancelled_side",
            field=models.CharField(
                blank=True, choices=[("client", "Client"), ("provider", "Provider"), ("system", "System")], db_default="", max_length=8
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="consequence",
            field=models.JSONField(blank=True, db_default={}, default=dict, help_text="How it ended, in money."),
        ),
        migrations.AddField(
            model_name="booking",
            name="fee_cents",
            field=models.PositiveBigIntegerField(
                db_default=0, default=0, help_text="Fees charged for late moves, cancellation or absence."
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="free_cancellation",
            field=models.BooleanField(
                db_default=False, default=False, help_text="The business moved it: the client may cancel for nothing."
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="is_detached",
            field=models.BooleanField(db_default=False, default=False, help_text="Changed by itself, so changes of the series pass it by."),
        ),
        migrations.AddField(
            model_name="booking",
            name="is_granted",
            field=models.BooleanField(db_default=False, default=False, help_text="Given by staff on top of what was bought."),
        ),
        migrations.AddField(
            model_name="booking",
            name="late_seconds",
            field=models.IntegerField(
                blank=True,
                help_text="Seconds that were left when the client gave up a start late: moving away does not launder it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="moves",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text="How often the client moved it."),
        ),
        migrations.AddField(
            model_name="booking",
            name="original_start",
            field=models.DateTimeField(blank=True, help_text="The start the series gave it: its stable key there.", null=True),
        ),
        migrations.AddField(
            model_name="booking",
            name="status_changed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="allocation",
            field=models.CharField(
                blank=True, db_default="", help_text="Why this practitioner: chosen, same, previous, load.", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="attendee_name",
            field=models.CharField(blank=True, db_default="", help_text="Who comes, when it is not the client.", max_length=255),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="booked_at",
            field=models.DateTimeField(blank=True, help_text="When it got its time; the grace period counts from here.", null=True),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="cancelled_side",
            field=models.CharField(
                blank=True, choices=[("client", "Client"), ("provider", "Provider"), ("system", "System")], db_default="", max_length=8
            ),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="consequence",
            field=models.JSONField(blank=True, db_default={}, default=dict, help_text="How it ended, in money."),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="fee_cents",
            field=models.PositiveBigIntegerField(
                db_default=0, default=0, help_text="Fees charged for late moves, cancellation or absence."
            ),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="free_cancellation",
            field=models.BooleanField(
                db_default=False, default=False, help_text="The business moved it: the client may cancel for nothing."
            ),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="is_detached",
            field=models.BooleanField(db_default=False, default=False, help_text="Changed by itself, so changes of the series pass it by."),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="is_granted",
            field=models.BooleanField(db_default=False, default=False, help_text="Given by staff on top of what was bought."),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="late_seconds",
            field=models.IntegerField(
                blank=True,
                help_text="Seconds that were left when the client gave up a start late: moving away does not launder it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="moves",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text="How often the client moved it."),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="original_start",
            field=models.DateTimeField(blank=True, help_text="The start the series gave it: its stable key there.", null=True),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="status_changed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="booking",
            name="policy",
            field=models.JSONField(blank=True, default=dict, help_text="The terms the client agreed to: {rules, agreed_at}."),
        ),
        migrations.AlterField(
            model_name="historicalbooking",
            name="policy",
            field=models.JSONField(blank=True, default=dict, help_text="The terms the client agreed to: {rules, agreed_at}."),
        ),
        migrations.CreateModel(
            name="BookingDocument",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("name", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[("form", "Form"), ("report", "Report"), ("image", "Image"), ("other", "Other")],
                        default="other",
                        max_length=8,
                    ),
                ),
                ("storage_key", models.CharField(max_length=100)),
                ("content_type", models.CharField(max_length=100)),
                ("size", models.PositiveIntegerField(help_text="Bytes.")),
                ("sha256", models.CharField(max_length=64)),
                ("is_shared", models.BooleanField(default=True, help_text="Whether the client sees it.")),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "booking",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="documents", to="bookings.booking"
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="documents", to="clients.client"
                    ),
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
            name="BookingSeries",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                (
                    "frequency",
                    models.CharField(
                        choices=[
                            ("daily", "Daily"),
                            ("weekly", "Weekly"),
                            ("monthly_by_date", "Monthly By Date"),
                            ("monthly_by_weekday", "Monthly By Weekday"),
                        ],
                        max_length=20,
                    ),
                ),
                ("every", models.PositiveSmallIntegerField(default=1)),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(),
                        blank=True,
                        default=list,
                        help_text="0 is Monday; weekly only.",
                        size=None,
                    ),
                ),
                ("month_end", models.CharField(choices=[("skip", "Skip"), ("last_day", "Last Day")], default="skip", max_length=10)),
                (
                    "start_wall",
                    models.CharField(help_text="Wall clock of the first start in timezone, YYYY-MM-DDTHH:MM:SS.", max_length=19),
                ),
                ("timezone", models.CharField(max_length=64)),
                ("count", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("until", models.DateField(blank=True, help_text="Last local day, inclusive.", null=True)),
                (
                    "policy",
                    models.CharField(
                        choices=[("all_or_nothing", "All Or Nothing"), ("skip", "Skip"), ("nearest", "Nearest")],
                        default="all_or_nothing",
                        max_length=16,
                    ),
                ),
                ("status", models.CharField(choices=[("active", "Active"), ("ended", "Ended")], default="active", max_length=8)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="series", to="clients.client"
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="series",
                        to="orders.order",
                    ),
                ),
                (
                    "practitioner",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="series", to="catalog.practitioner"
                    ),
                ),
                (
                    "previous",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="continued_by",
                        to="bookings.bookingseries",
                    ),
                ),
                (
                    "service",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="series", to="catalog.service"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "booking series",
            },
        ),
        migrations.AddField(
            model_name="booking",
            name="series",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="bookings",
                to="bookings.bookingseries",
            ),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="series",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="bookings.bookingseries",
            ),
        ),
        migrations.CreateModel(
            name="HistoricalBookingSeries",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "frequency",
                    models.CharField(
                        choices=[
                            ("daily", "Daily"),
                            ("weekly", "Weekly"),
                            ("monthly_by_date", "Monthly By Date"),
                            ("monthly_by_weekday", "Monthly By Weekday"),
                        ],
                        max_length=20,
                    ),
                ),
                ("every", models.PositiveSmallIntegerField(default=1)),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(),
                        blank=True,
                        default=list,
                        help_text="0 is Monday; weekly only.",
                        size=None,
                    ),
                ),
                ("month_end", models.CharField(choices=[("skip", "Skip"), ("last_day", "Last Day")], default="skip", max_length=10)),
                (
                    "start_wall",
                    models.CharField(help_text="Wall clock of the first start in timezone, YYYY-MM-DDTHH:MM:SS.", max_length=19),
                ),
                ("timezone", models.CharField(max_length=64)),
                ("count", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("until", models.DateField(blank=True, help_text="Last local day, inclusive.", null=True)),
                (
                    "policy",
                    models.CharField(
                        choices=[("all_or_nothing", "All Or Nothing"), ("skip", "Skip"), ("nearest", "Nearest")],
                        default="all_or_nothing",
                        max_length=16,
                    ),
                ),
                ("status", models.CharField(choices=[("active", "Active"), ("ended", "Ended")], default="active", max_length=8)),
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
                    "practitioner",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="catalog.practitioner",
                    ),
                ),
                (
                    "previous",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="bookings.bookingseries",
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
                "verbose_name": "historical booking series",
                "verbose_name_plural": "historical booking series",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalReview",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("rating", models.PositiveSmallIntegerField()),
                ("comment", models.TextField(blank=True)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("published", "Published"), ("hidden", "Hidden")], default="pending", max_length=10
                    ),
                ),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                ("reply", models.TextField(blank=True)),
                ("replied_at", models.DateTimeField(blank=True, null=True)),
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
                    "booking",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="bookings.booking",
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
                    "practitioner",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="catalog.practitioner",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical review",
                "verbose_name_plural": "historical reviews",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalWaitlistEntry",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("start_time", models.DateTimeField(blank=True, help_text="Only this occurrence.", null=True)),
                ("first_day", models.DateField(blank=True, null=True)),
                ("last_day", models.DateField(blank=True, help_text="Inclusive.", null=True)),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(), blank=True, default=list, help_text="Empty: any.", size=None
                    ),
                ),
                ("earliest", models.TimeField(blank=True, null=True)),
                ("latest", models.TimeField(blank=True, help_text="Latest local start, inclusive.", null=True)),
                ("timezone", models.CharField(max_length=64)),
                ("party", models.PositiveSmallIntegerField(default=1)),
                ("notice_minutes", models.PositiveIntegerField(default=0, help_text="How much notice the client needs.")),
                ("priority", models.SmallIntegerField(default=0, help_text="Higher comes first.")),
                (
                    "auto_accept_hours",
                    models.PositiveIntegerField(
                        blank=True, help_text="Book without asking when the start is at least this many hours away.", null=True
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("offered", "Offered"),
                            ("sleeping", "Sleeping"),
                            ("booked", "Booked"),
                            ("left", "Left"),
                            ("expired", "Expired"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("lapses", models.PositiveSmallIntegerField(default=0)),
                ("expires_at", models.DateTimeField(help_text="When the window has passed.")),
                ("note", models.CharField(blank=True, max_length=500)),
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
                    "practitioner",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="catalog.practitioner",
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
                "verbose_name": "historical waitlist entry",
                "verbose_name_plural": "historical waitlist entries",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("rating", models.PositiveSmallIntegerField()),
                ("comment", models.TextField(blank=True)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("published", "Published"), ("hidden", "Hidden")], default="pending", max_length=10
                    ),
                ),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                ("reply", models.TextField(blank=True)),
                ("replied_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "booking",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="reviews",
                        to="bookings.booking",
                    ),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="reviews", to="clients.client"
                    ),
                ),
                (
                    "practitioner",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name="reviews", to="catalog.practitioner"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WaitlistEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("start_time", models.DateTimeField(blank=True, help_text="Only this occurrence.", null=True)),
                ("first_day", models.DateField(blank=True, null=True)),
                ("last_day", models.DateField(blank=True, help_text="Inclusive.", null=True)),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(), blank=True, default=list, help_text="Empty: any.", size=None
                    ),
                ),
                ("earliest", models.TimeField(blank=True, null=True)),
                ("latest", models.TimeField(blank=True, help_text="Latest local start, inclusive.", null=True)),
                ("timezone", models.CharField(max_length=64)),
                ("party", models.PositiveSmallIntegerField(default=1)),
                ("notice_minutes", models.PositiveIntegerField(default=0, help_text="How much notice the client needs.")),
                ("priority", models.SmallIntegerField(default=0, help_text="Higher comes first.")),
                (
                    "auto_accept_hours",
                    models.PositiveIntegerField(
                        blank=True, help_text="Book without asking when the start is at least this many hours away.", null=True
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("offered", "Offered"),
                            ("sleeping", "Sleeping"),
                            ("booked", "Booked"),
                            ("left", "Left"),
                            ("expired", "Expired"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("lapses", models.PositiveSmallIntegerField(default=0)),
                ("expires_at", models.DateTimeField(help_text="When the window has passed.")),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "account",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
                ),
                (
                    "client",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="waitlist_entries",
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
                        related_name="waitlist_entries",
                        to="orders.order",
                    ),
                ),
                (
                    "practitioner",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="waitlist_entries",
                        to="catalog.practitioner",
                    ),
                ),
                (
                    "service",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="waitlist_entries",
                        to="catalog.service",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "waitlist entries",
            },
        ),
        migrations.CreateModel(
            name="HistoricalWaitlistOffer",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("start_time", models.DateTimeField()),
                ("mode", models.CharField(choices=[("sequential", "Sequential"), ("broadcast", "Broadcast")], max_length=10)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("accepted", "Accepted"),
                            ("declined", "Declined"),
                            ("lapsed", "Lapsed"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("expires_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
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
                        help_text="Sold for this offer alone: it ends with it.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orders.order",
                    ),
                ),
                (
                    "practitioner",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="catalog.practitioner",
                    ),
                ),
                (
                    "entry",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="bookings.waitlistentry",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical waitlist offer",
                "verbose_name_plural": "historical waitlist offers",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="WaitlistOffer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("start_time", models.DateTimeField()),
                ("mode", models.CharField(choices=[("sequential", "Sequential"), ("broadcast", "Broadcast")], max_length=10)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("accepted", "Accepted"),
                            ("declined", "Declined"),
                            ("lapsed", "Lapsed"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("expires_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
                ("nonce", models.CharField(default=apps.accounts.models.new_nonce, editable=False, max_length=32)),
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
                        related_name="waitlist_offers",
                        to="clients.client",
                    ),
                ),
                (
                    "entry",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="offers",
                        to="bookings.waitlistentry",
                    ),
                ),
                (
                    "order",
                    apps.core.models.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Sold for this offer alone: it ends with it.",
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="sold_for",
                        to="orders.order",
                    ),
                ),
                (
                    "practitioner",
                    apps.core.models.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="waitlist_offers",
                        to="catalog.practitioner",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="booking",
            name="offer",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="bookings",
                to="bookings.waitlistoffer",
            ),
        ),
        migrations.AddField(
            model_name="historicalbooking",
            name="offer",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="bookings.waitlistoffer",
            ),
        ),
        migrations.AddIndex(
            model_name="bookingdocument",
            index=models.Index(fields=["account", "-created_at", "-id"], name="bookings_bookingdocument_list"),
        ),
        migrations.AddConstraint(
            model_name="bookingdocument",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="bookings_bookingdocument_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="bookingdocument",
            constraint=apps.core.constraints.SameAccount("booking", name="bookings_bookingdocument_booking_account"),
        ),
        migrations.AddConstraint(
            model_name="bookingdocument",
            constraint=apps.core.constraints.SameAccount("client", name="bookings_bookingdocument_client_account"),
        ),
        migrations.AddConstraint(
            model_name="bookingdocument",
            constraint=models.UniqueConstraint(fields=("account", "storage_key"), name="bookings_bookingdocument_unique_key"),
        ),
        migrations.AddConstraint(
            model_name="bookingdocument",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__gte", 1), ("size__lte", 10485760)), name="bookings_bookingdocument_size"
            ),
        ),
        migrations.AddConstraint(
            model_name="bookingdocument",
            constraint=models.CheckConstraint(
                condition=models.Q(("storage_key__regex", "^[0-9]+/[0-9a-f-]{36}$")), name="bookings_bookingdocument_key"
            ),
        ),
        migrations.AddIndex(
            model_name="bookingseries",
            index=models.Index(fields=["account", "-created_at", "-id"], name="bookings_bookingseries_recent"),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="bookings_bookingseries_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=apps.core.constraints.SameAccount("client", name="bookings_bookingseries_client_account"),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=apps.core.constraints.SameAccount("service", name="bookings_bookingseries_service_account"),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=apps.core.constraints.SameAccount("practitioner", name="bookings_bookingseries_practitioner_account"),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=apps.core.constraints.SameAccount("order", name="bookings_bookingseries_order_account"),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=apps.core.constraints.SameAccount("previous", name="bookings_bookingseries_previous_account"),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=models.CheckConstraint(
                condition=models.Q(("every__gte", 1), ("every__lte", 52)), name="bookings_bookingseries_every"
            ),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=models.CheckConstraint(
                condition=models.Q(("count", None), models.Q(("count__gte", 1), ("count__lte", 104)), _connector="OR"),
                name="bookings_bookingseries_count",
            ),
        ),
        migrations.AddConstraint(
            model_name="bookingseries",
            constraint=models.CheckConstraint(
                condition=models.Q(("count", None), ("until", None), _connector="OR"), name="bookings_bookingseries_one_end"
            ),
        ),
        migrations.AddIndex(
            model_name="review",
            index=models.Index(fields=["account", "-created_at", "-id"], name="bookings_review_recent"),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="bookings_review_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=apps.core.constraints.SameAccount("booking", name="bookings_review_booking_account"),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=apps.core.constraints.SameAccount("client", name="bookings_review_client_account"),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=apps.core.constraints.SameAccount("practitioner", name="bookings_review_practitioner_account"),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.UniqueConstraint(fields=("booking",), name="bookings_review_one_each"),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(condition=models.Q(("rating__gte", 1), ("rating__lte", 5)), name="bookings_review_rating"),
        ),
        migrations.AddIndex(
            model_name="waitlistentry",
            index=models.Index(fields=["account", "-created_at", "-id"], name="bookings_waitlistentry_recent"),
        ),
        migrations.AddIndex(
            model_name="waitlistentry",
            index=models.Index(
                condition=models.Q(("status", "waiting")),
                fields=["account", "service", "-priority", "created_at", "id"],
                name="bookings_waitlistentry_queue",
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="bookings_waitlistentry_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=apps.core.constraints.SameAccount("client", name="bookings_waitlistentry_client_account"),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=apps.core.constraints.SameAccount("service", name="bookings_waitlistentry_service_account"),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=apps.core.constraints.SameAccount("practitioner", name="bookings_waitlistentry_practitioner_account"),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=apps.core.constraints.SameAccount("order", name="bookings_waitlistentry_order_account"),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("first_day", None), ("last_day", None), ("start_time__isnull", False)),
                    models.Q(("first_day__isnull", False), ("last_day__gte", models.F("first_day")), ("start_time", None)),
                    _connector="OR",
                ),
                name="bookings_waitlistentry_occurrence_or_window",
            ),
        ),
        migrations.AddConstraint(
            model_name="waitlistentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("party__gte", 1), ("party__lte", 100)), name="bookings_waitlistentry_party"
            ),
        ),
        migrations.AddIndex(
            model_name="waitlistoffer",
            index=models.Index(fields=["account", "-created_at", "-id"], name="bookings_waitlistoffer_recent"),
        ),
        migrations.AddIndex(
            model_name="waitlistoffer",
            index=models.Index(condition=models.Q(("status", "open")), fields=["expires_at"], name="bookings_waitlistoffer_open"),
        ),
        migrations.AddIndex(
            model_name="waitlistoffer",
            index=models.Index(fields=["account", "practitioner", "start_time"], name="bookings_waitlistoffer_start"),
        ),
        migrations.AddConstraint(
            model_name="waitlistoffer",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="bookings_waitlistoffer_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="waitlistoffer",
            constraint=apps.core.constraints.SameAccount("entry", name="bookings_waitlistoffer_entry_account"),
        ),
        migrations.AddConstraint(
            model_name="waitlistoffer",
            constraint=apps.core.constraints.SameAccount("client", name="bookings_waitlistoffer_client_account"),
        ),
        migrations.AddConstraint(
            model_name="waitlistoffer",
            constraint=apps.core.constraints.SameAccount("practitioner", name="bookings_waitlistoffer_practitioner_account"),
        ),
        migrations.AddConstraint(
            model_name="waitlistoffer",
            constraint=apps.core.constraints.SameAccount("order", name="bookings_waitlistoffer_order_account"),
        ),
        migrations.AddConstraint(
            model_name="waitlistoffer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "open")), fields=("entry",), name="bookings_waitlistoffer_one_open"
            ),
        ),
        TenantPolicies("BookingSeries", "WaitlistEntry", "WaitlistOffer", "BookingDocument", "Review", reads={"own": BY_CLIENT}),
        TenantPolicies("HistoricalBookingSeries", "HistoricalWaitlistEntry", "HistoricalWaitlistOffer", "HistoricalReview"),
    ]
