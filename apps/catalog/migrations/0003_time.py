from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("catalog", "0002_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="historicaloffering",
            name="weight",
            field=models.PositiveSmallIntegerField(db_default=1, default=1, help_text="Share of the sessions of clients who take anybody."),
        ),
        migrations.AddField(
            model_name="historicalpractitioner",
            name="rating_count",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="historicalpractitioner",
            name="rating_total",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text="Sum of the published ratings."),
        ),
        migrations.AddField(
            model_name="historicalservice",
            name="horizon_in_working_days",
            field=models.BooleanField(db_default=False, default=False, help_text="Count horizon_days from Monday to Friday only."),
        ),
        migrations.AddField(
            model_name="historicalservice",
            name="min_attendees",
            field=models.PositiveIntegerField(db_default=1, default=1, help_text="Below this an occurrence does not take place."),
        ),
        migrations.AddField(
            model_name="historicalservice",
            name="min_attendees_hours",
            field=models.PositiveIntegerField(db_default=24, default=24, help_text="How long before the start that is decided."),
        ),
        migrations.AddField(
            model_name="historicalservice",
            name="online_capacity",
            field=models.PositiveIntegerField(blank=True, help_text="Seats that clients may book themselves; empty: all.", null=True),
        ),
        migrations.AddField(
            model_name="historicalservice",
            name="season_from",
            field=models.DateField(blank=True, help_text="First local day on which sessions take place.", null=True),
        ),
        migrations.AddField(
            model_name="historicalservice",
            name="season_to",
            field=models.DateField(blank=True, help_text="Last local day, inclusive.", null=True),
        ),
        migrations.AddField(
            model_name="offering",
            name="weight",
            field=models.PositiveSmallIntegerField(db_default=1, default=1, help_text="Share of the sessions of clients who take anybody."),
        ),
        migrations.AddField(
            model_name="practitioner",
            name="rating_count",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="practitioner",
            name="rating_total",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text="Sum of the published ratings."),
        ),
        migrations.AddField(
            model_name="service",
            name="horizon_in_working_days",
            field=models.BooleanField(db_default=False, default=False, help_text="Count horizon_days from Monday to Friday only."),
        ),
        migrations.AddField(
            model_name="service",
            name="min_attendees",
            field=models.PositiveIntegerField(db_default=1, default=1, help_text="Below this an occurrence does not take place."),
        ),
        migrations.AddField(
            model_name="service",
            name="min_attendees_hours",
            field=models.PositiveIntegerField(db_default=24, default=24, help_text="How long before the start that is decided."),
        ),
        migrations.AddField(
            model_name="service",
            name="online_capacity",
            field=models.PositiveIntegerField(blank=True, help_text="Seats that clients may book themselves; empty: all.", null=True),
        ),
        migrations.AddField(
            model_name="service",
            name="season_from",
            field=models.DateField(blank=True, help_text="First local day on which sessions take place.", null=True),
        ),
        migrations.AddField(
            model_name="service",
            name="season_to",
            field=models.DateField(blank=True, help_text="Last local day, inclusive.", null=True),
        ),
    ]
