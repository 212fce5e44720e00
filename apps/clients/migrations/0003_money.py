from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0002_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="client",
            name="billing_address",
            field=models.TextField(blank=True, db_default="", help_text="As invoices print it, line by line.", max_length=500),
        ),
        migrations.AddField(
            model_name="client",
            name="tax_code",
            field=models.CharField(
                blank=True,
                choices=[("exempt", "Exempt"), ("reverse_charge", "Reverse Charge")],
                db_default="",
                help_text="Why this client is charged no tax; empty: they are.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="tax_id",
            field=models.CharField(blank=True, db_default="", help_text="VAT number or the like, printed on invoices.", max_length=32),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="billing_address",
            field=models.TextField(blank=True, db_default="", help_text="As invoices print it, line by line.", max_length=500),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="tax_code",
            field=models.CharField(
                blank=True,
                choices=[("exempt", "Exempt"), ("reverse_charge", "Reverse Charge")],
                db_default="",
                help_text="Why this client is charged no tax; empty: they are.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="tax_id",
            field=models.CharField(blank=True, db_default="", help_text="VAT number or the like, printed on invoices.", max_length=32),
        ),
    ]
