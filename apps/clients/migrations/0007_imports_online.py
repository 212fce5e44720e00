"""Who else has this phone number: asked whenever a client is entered."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("clients", "0006_imports")]

    operations = [
        AddIndexConcurrently(
            model_name="client",
            index=models.Index(
                fields=["account", "phone_number"],
                condition=models.Q(("phone_number", ""), _negated=True),
                name="clients_client_by_phone",
            ),
        ),
    ]
