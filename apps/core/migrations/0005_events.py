from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0004_money")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="client_id",
            field=models.BigIntegerField(blank=True, help_text="The client it is about.", null=True),
        ),
        migrations.AddField(
            model_name="event",
            name="version",
            field=models.PositiveIntegerField(blank=True, help_text="The subject's version after it, where it has one.", null=True),
        ),
    ]
