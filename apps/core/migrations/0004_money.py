from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0003_cache_table"),
    ]

    operations = [
        migrations.AddField(
            model_name="idempotencykey",
            name="state",
            field=models.JSONField(
                blank=True, help_text="What was written before the outside world was called: where to go on.", null=True
            ),
        ),
    ]
