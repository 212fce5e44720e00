"""All countries of ISO 3166-1; apps/location/countries.csv holds the facts."""

from django.db import migrations

from apps.location.loading import load_countries


def load(apps, schema_editor):
    load_countries(apps.get_model("location", "Country"))


def unload(apps, schema_editor):
    # Without looking for rows that refer to countries: on the way back their tables may be gone already.
    countries = apps.get_model("location", "Country").objects.all()
    countries._raw_delete(countries.db)


class Migration(migrations.Migration):
    dependencies = [("location", "0001_initial")]

    operations = [migrations.RunPython(load, unload)]
