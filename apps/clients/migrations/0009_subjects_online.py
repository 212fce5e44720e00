from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("clients", "0008_subjects")]

    operations: list = []
