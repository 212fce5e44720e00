from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0004_feeds_policies")]

    operations = [
        migrations.AddField(
            model_name="webhookendpoint",
            name="missed_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when it has missed events, by being stopped; empty once they were sent again.",
                null=True,
            ),
        ),
    ]
