from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("catalog", "0004_time_online"),
        ("clients", "0003_money"),
        ("orders", "0004_time_online"),
        ("packages", "0003_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalorder",
            name="frozen_at",
            field=models.DateTimeField(blank=True, help_text="A payment is disputed: unused sessions cannot be scheduled.", null=True),
        ),
        migrations.AddField(
            model_name="historicalorder",
            name="prices_include_tax",
            field=models.BooleanField(
                db_default=True, default=True, help_text="Whether subtotal and discount contain the tax; otherwise it is added to them."
            ),
        ),
        migrations.AddField(
            model_name="historicalorder",
            name="tax_code",
            field=models.CharField(
                blank=True, choices=[("exempt", "Exempt"), ("reverse_charge", "Reverse Charge")], db_default="", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="historicalorder",
            name="tax_rounding",
            field=models.CharField(
                choices=[("line", "Line"), ("net_sum", "Net Sum"), ("gross_sum", "Gross Sum")],
                db_default="line",
                default="line",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="frozen_at",
            field=models.DateTimeField(blank=True, help_text="A payment is disputed: unused sessions cannot be scheduled.", null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="prices_include_tax",
            field=models.BooleanField(
                db_default=True, default=True, help_text="Whether subtotal and discount contain the tax; otherwise it is added to them."
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="tax_code",
            field=models.CharField(
                blank=True, choices=[("exempt", "Exempt"), ("reverse_charge", "Reverse Charge")], db_default="", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="tax_rounding",
            field=models.CharField(
                choices=[("line", "Line"), ("net_sum", "Net Sum"), ("gross_sum", "Gross Sum")],
                db_default="line",
                default="line",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="orderline",
            name="tax_cents",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="orderline",
            name="tax_rate",
            field=models.DecimalField(blank=True, decimal_places=2, help_text="Per cent, as it was at the sale.", max_digits=5, null=True),
        ),
        migrations.AlterField(
            model_name="historicalorder",
            name="order_type",
            field=models.CharField(choices=[("service", "Service"), ("package", "Package"), ("gift", "Gift")], max_length=10),
        ),
        migrations.AlterField(
            model_name="order",
            name="order_type",
            field=models.CharField(choices=[("service", "Service"), ("package", "Package"), ("gift", "Gift")], max_length=10),
        ),
    ]
