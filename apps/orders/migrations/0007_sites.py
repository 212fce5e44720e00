import django.db.models.deletion
from django.db import migrations, models

import apps.core.models

TYPES = [("service", "Service"), ("package", "Package"), ("gift", "Gift"), ("site", "Site")]


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_money_online"), ("sites", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="site",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="orders",
                to="sites.site",
            ),
        ),
        migrations.AddField(
            model_name="historicalorder",
            name="site",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="sites.site",
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="order_type",
            field=models.CharField(choices=TYPES, max_length=10),
        ),
        migrations.AlterField(
            model_name="historicalorder",
            name="order_type",
            field=models.CharField(choices=TYPES, max_length=10),
        ),
    ]
