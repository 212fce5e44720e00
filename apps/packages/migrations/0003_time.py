from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("packages", "0002_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalpackage",
            name="expiry",
            field=models.JSONField(blank=True, db_default={}, default=dict, help_text="{rule, amount, unit, date}; replaces valid_days."),
        ),
        migrations.AddField(
            model_name="historicalpackage",
            name="max_pause_days",
            field=models.PositiveSmallIntegerField(blank=True, help_text="Longest pause; empty: no limit.", null=True),
        ),
        migrations.AddField(
            model_name="historicalpackage",
            name="max_pauses_per_year",
            field=models.PositiveSmallIntegerField(blank=True, help_text="Empty: no limit.", null=True),
        ),
        migrations.AddField(
            model_name="historicalpackage",
            name="max_transfers",
            field=models.PositiveIntegerField(blank=True, help_text="Sessions that may be given away; empty: all.", null=True),
        ),
        migrations.AddField(
            model_name="historicalpackage",
            name="transfer_fee_cents",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="package",
            name="expiry",
            field=models.JSONField(blank=True, db_default={}, default=dict, help_text="{rule, amount, unit, date}; replaces valid_days."),
        ),
        migrations.AddField(
            model_name="package",
            name="max_pause_days",
            field=models.PositiveSmallIntegerField(blank=True, help_text="Longest pause; empty: no limit.", null=True),
        ),
        migrations.AddField(
            model_name="package",
            name="max_pauses_per_year",
            field=models.PositiveSmallIntegerField(blank=True, help_text="Empty: no limit.", null=True),
        ),
        migrations.AddField(
            model_name="package",
            name="max_transfers",
            field=models.PositiveIntegerField(blank=True, help_text="Sessions that may be given away; empty: all.", null=True),
        ),
        migrations.AddField(
            model_name="package",
            name="transfer_fee_cents",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
    ]
