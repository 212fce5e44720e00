"""Custom fields, notes, tasks, consents, blocked contacts, segments; and what search compares, kept by the database."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import phonenumber_field.modelfields
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import apps.core.constraints
import apps.core.models
from apps.core.operations import TenantPolicies

# Small letters without accents; apostrophes fall away, hyphens and anything blank divide words. One definition for what is stored
# and for what is searched, without an extension: decomposed, the accents are characters of their own.
FOLDED = r"""
CREATE FUNCTION clients_folded(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT btrim(regexp_replace(
    replace(replace(replace(translate(
      lower(regexp_replace(normalize(value, NFKD), U&'[\0300-\036F''\2019\02BC`\00B4]', '', 'g')),
      U&'\00F8\00D8\0142\0141\0111\0110\0131', 'oollddi'), U&'\00DF', 'ss'), U&'\00E6', 'ae'), U&'\0153', 'oe'),
    U&'[\\s\2010-\2014\002D]+', ' ', 'g'))
$$;
"""
SEARCHABLE = """
CREATE FUNCTION clients_searchable(full_name text, email text, phone_number text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT clients_folded(concat_ws(' ', full_name, nullif(email, ''), nullif(regexp_replace(phone_number, '[^0-9]', '', 'g'), '')))
$$;
"""
KEPT = """
CREATE FUNCTION clients_keep_searchable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' OR (NEW.full_name, NEW.email, NEW.phone_number, NEW.email_key, NEW.search_text)
      IS DISTINCT FROM (OLD.full_name, OLD.email, OLD.phone_number, OLD.email_key, OLD.search_text) THEN
    NEW.email_key := lower(normalize(NEW.email, NFKC));
    NEW.search_text := clients_searchable(NEW.full_name, NEW.email, NEW.phone_number);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER clients_client_searchable BEFORE INSERT OR UPDATE ON clients_client
  FOR EACH ROW EXECUTE FUNCTION clients_keep_searchable();
"""
FORGOTTEN = """
DROP TRIGGER clients_client_searchable ON clients_client;
DROP FUNCTION clients_keep_searchable();
DROP FUNCTION clients_searchable(text, text, text);
DROP FUNCTION clients_folded(text);
"""
# A consent that was given stays as it was given; only a merge moves it to another row of the same person.
FROZEN = """
CREATE FUNCTION clients_consent_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.account_id, NEW.purpose, NEW.granted, NEW.wording, NEW.source, NEW.given_at, NEW.created_at)
      IS DISTINCT FROM (OLD.account_id, OLD.purpose, OLD.granted, OLD.wording, OLD.source, OLD.given_at, OLD.created_at) THEN
    RAISE EXCEPTION 'clients_clientconsent is append-only'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'clients_clientconsent_frozen';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER clients_clientconsent_frozen BEFORE UPDATE ON clients_clientconsent
  FOR EACH ROW EXECUTE FUNCTION clients_consent_is_frozen();
"""
THAWED = """
DROP TRIGGER clients_clientconsent_frozen ON clients_clientconsent;
DROP FUNCTION clients_consent_is_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_policies"),
        ("clients", "0003_money"),
        ("users", "0002_timezone"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BlockedContact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("phone_number", phonenumber_field.modelfields.PhoneNumberField(blank=True, max_length=128, region=None)),
                ("reason", models.CharField(blank=True, max_length=500)),
            ],
        ),
        migrations.CreateModel(
            name="ClientConsent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("purpose", models.CharField(help_text="newsletter, photos, health_data …", max_length=50)),
                ("granted", models.BooleanField()),
                ("wording", models.TextField(blank=True, help_text="The sentence they agreed to.", max_length=5000)),
                ("source", models.CharField(blank=True, help_text="Where it was given: paper, phone, web …", max_length=50)),
                ("given_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ClientNote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("body", models.TextField(max_length=10000)),
                ("is_pinned", models.BooleanField(default=False, help_text="To be shown on top.")),
            ],
        ),
        migrations.CreateModel(
            name="ClientTask",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("title", models.CharField(max_length=200)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("announced_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="CustomField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("key", models.CharField(help_text="Its name in custom_fields; cannot be changed.", max_length=64)),
                ("label", models.CharField(help_text="What people read.", max_length=100)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("text", "Text"),
                            ("number", "Number"),
                            ("integer", "Integer"),
                            ("boolean", "Boolean"),
                            ("date", "Date"),
                            ("choice", "Choice"),
                            ("choices", "Choices"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "options",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100),
                        blank=True,
                        default=list,
                        help_text="What may be chosen (choice, choices).",
                        size=None,
                    ),
                ),
                ("is_required", models.BooleanField(default=False, help_text="Must have a value when a client is entered.")),
                ("is_active", models.BooleanField(default=True, help_text="Inactive: values stay and are not checked any more.")),
                ("position", models.PositiveSmallIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="HistoricalCustomField",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("key", models.CharField(help_text="Its name in custom_fields; cannot be changed.", max_length=64)),
                ("label", models.CharField(help_text="What people read.", max_length=100)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("text", "Text"),
                            ("number", "Number"),
                            ("integer", "Integer"),
                            ("boolean", "Boolean"),
                            ("date", "Date"),
                            ("choice", "Choice"),
                            ("choices", "Choices"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "options",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100),
                        blank=True,
                        default=list,
                        help_text="What may be chosen (choice, choices).",
                        size=None,
                    ),
                ),
                ("is_required", models.BooleanField(default=False, help_text="Must have a value when a client is entered.")),
                ("is_active", models.BooleanField(default=True, help_text="Inactive: values stay and are not checked any more.")),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(null=True)),
                ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
            ],
            options={
                "verbose_name": "historical custom field",
                "verbose_name_plural": "historical custom fields",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalSegment",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                ("created_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("updated_at", models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("name", models.CharField(max_length=100)),
                ("conditions", models.JSONField(default=list, help_text="[{field, is, value}, …]")),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(null=True)),
                ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
            ],
            options={
                "verbose_name": "historical segment",
                "verbose_name_plural": "historical segments",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Segment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ("name", models.CharField(max_length=100)),
                ("conditions", models.JSONField(default=list, help_text="[{field, is, value}, …]")),
            ],
        ),
        migrations.AddField(
            model_name="client",
            name="blocked_at",
            field=models.DateTimeField(blank=True, help_text="Since when nothing is sold to them online.", null=True),
        ),
        migrations.AddField(
            model_name="client",
            name="blocked_by",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="accounts.membership",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="blocked_reason",
            field=models.CharField(blank=True, db_default="", max_length=500),
        ),
        migrations.AddField(
            model_name="client",
            name="email_key",
            field=models.CharField(
                blank=True,
                db_default="",
                editable=False,
                help_text="Kept by a trigger: the address in its normal spelling.",
                max_length=1024,
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="search_text",
            field=models.TextField(blank=True, db_default="", editable=False, help_text="Kept by a trigger: what search compares."),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="blocked_at",
            field=models.DateTimeField(blank=True, help_text="Since when nothing is sold to them online.", null=True),
        ),
        migrations.AddField(
            model_name="historicalclient",
            name="blocked_reason",
            field=models.CharField(blank=True, db_default="", max_length=500),
        ),
        migrations.AddField(
            model_name="blockedcontact",
            name="account",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
        ),
        migrations.AddField(
            model_name="blockedcontact",
            name="author",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="accounts.membership",
            ),
        ),
        migrations.AddField(
            model_name="clientconsent",
            name="account",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
        ),
        migrations.AddField(
            model_name="clientconsent",
            name="actor",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="clientconsent",
            name="client",
            field=apps.core.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="consent_log",
                to="clients.client",
            ),
        ),
        migrations.AddField(
            model_name="clientnote",
            name="account",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
        ),
        migrations.AddField(
            model_name="clientnote",
            name="author",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="accounts.membership",
            ),
        ),
        migrations.AddField(
            model_name="clientnote",
            name="client",
            field=apps.core.models.TenantForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="notes", to="clients.client"
            ),
        ),
        migrations.AddField(
            model_name="clienttask",
            name="account",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
        ),
        migrations.AddField(
            model_name="clienttask",
            name="assignee",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="client_tasks",
                to="accounts.membership",
            ),
        ),
        migrations.AddField(
            model_name="clienttask",
            name="author",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="accounts.membership",
            ),
        ),
        migrations.AddField(
            model_name="clienttask",
            name="client",
            field=apps.core.models.TenantForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="tasks", to="clients.client"
            ),
        ),
        migrations.AddField(
            model_name="clienttask",
            name="done_by",
            field=apps.core.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="accounts.membership",
            ),
        ),
        migrations.AddField(
            model_name="customfield",
            name="account",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
        ),
        migrations.AddField(
            model_name="historicalcustomfield",
            name="account",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="historicalcustomfield",
            name="history_user",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name="historicalsegment",
            name="account",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="historicalsegment",
            name="history_user",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name="segment",
            name="account",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
        ),
        migrations.AddConstraint(
            model_name="blockedcontact",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_blockedcontact_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="blockedcontact",
            constraint=apps.core.constraints.SameAccount("author", name="clients_blockedcontact_author_account"),
        ),
        migrations.AddConstraint(
            model_name="blockedcontact",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("email", ""), _negated=True), models.Q(("phone_number", ""), _negated=True), _connector="OR"),
                name="clients_blockedcontact_contact",
                violation_error_message="Send an e-mail address or a phone number.",
            ),
        ),
        migrations.AddConstraint(
            model_name="blockedcontact",
            constraint=models.UniqueConstraint(
                models.F("account"),
                django.db.models.functions.text.Lower("email"),
                condition=models.Q(("email", ""), _negated=True),
                name="clients_blockedcontact_unique_email",
                violation_error_message="This e-mail address is blocked already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="blockedcontact",
            constraint=models.UniqueConstraint(
                condition=models.Q(("phone_number", ""), _negated=True),
                fields=("account", "phone_number"),
                name="clients_blockedcontact_unique_phone",
                violation_error_message="This phone number is blocked already.",
            ),
        ),
        migrations.AddIndex(
            model_name="clientconsent",
            index=models.Index(fields=["client", "purpose", "-given_at", "-id"], name="clients_clientconsent_latest"),
        ),
        migrations.AddConstraint(
            model_name="clientconsent",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_clientconsent_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="clientconsent",
            constraint=apps.core.constraints.SameAccount("client", name="clients_clientconsent_client_account"),
        ),
        migrations.AddIndex(
            model_name="clientnote",
            index=models.Index(fields=["client", "-id"], name="clients_clientnote_of_client"),
        ),
        migrations.AddConstraint(
            model_name="clientnote",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_clientnote_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="clientnote",
            constraint=apps.core.constraints.SameAccount("client", name="clients_clientnote_client_account"),
        ),
        migrations.AddConstraint(
            model_name="clientnote",
            constraint=apps.core.constraints.SameAccount("author", name="clients_clientnote_author_account"),
        ),
        migrations.AddIndex(
            model_name="clienttask",
            index=models.Index(fields=["client", "-id"], name="clients_clienttask_of_client"),
        ),
        migrations.AddIndex(
            model_name="clienttask",
            index=models.Index(fields=["account", "-id"], name="clients_clienttask_recent"),
        ),
        migrations.AddIndex(
            model_name="clienttask",
            index=models.Index(fields=["account", "due_at", "id"], name="clients_clienttask_by_due"),
        ),
        migrations.AddIndex(
            model_name="clienttask",
            index=models.Index(fields=["assignee", "-id"], name="clients_clienttask_of_member"),
        ),
        migrations.AddIndex(
            model_name="clienttask",
            index=models.Index(
                condition=models.Q(("announced_at", None), ("done_at", None)), fields=["due_at"], name="clients_clienttask_to_tell"
            ),
        ),
        migrations.AddConstraint(
            model_name="clienttask",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_clienttask_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="clienttask",
            constraint=apps.core.constraints.SameAccount("client", name="clients_clienttask_client_account"),
        ),
        migrations.AddConstraint(
            model_name="clienttask",
            constraint=apps.core.constraints.SameAccount("assignee", name="clients_clienttask_assignee_account"),
        ),
        migrations.AddConstraint(
            model_name="clienttask",
            constraint=apps.core.constraints.SameAccount("author", name="clients_clienttask_author_account"),
        ),
        migrations.AddConstraint(
            model_name="clienttask",
            constraint=apps.core.constraints.SameAccount("done_by", name="clients_clienttask_done_by_account"),
        ),
        migrations.AddConstraint(
            model_name="clienttask",
            constraint=models.CheckConstraint(
                condition=models.Q(("done_by", None), ("done_at__isnull", False), _connector="OR"), name="clients_clienttask_done"
            ),
        ),
        migrations.AddConstraint(
            model_name="customfield",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_customfield_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="customfield",
            constraint=models.UniqueConstraint(
                fields=("account", "key"),
                name="clients_customfield_unique_key",
                violation_error_message="A custom field with this key exists already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="customfield",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("choice", "choices")), ("options", []), _connector="XOR"),
                name="clients_customfield_options",
                violation_error_message="Options belong to the kinds choice and choices, and these need some.",
            ),
        ),
        migrations.AddConstraint(
            model_name="segment",
            constraint=apps.core.constraints.TenantKey(fields=("account", "id"), name="clients_segment_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="segment",
            constraint=models.UniqueConstraint(
                fields=("account", "name"),
                name="clients_segment_unique_name",
                violation_error_message="A segment with this name exists already.",
            ),
        ),
        TenantPolicies(
            "BlockedContact",
            "ClientConsent",
            "ClientNote",
            "ClientTask",
            "CustomField",
            "Segment",
            "HistoricalCustomField",
            "HistoricalSegment",
        ),
        migrations.RunSQL(FOLDED + SEARCHABLE + KEPT, FORGOTTEN),
        migrations.RunSQL(FROZEN, THAWED),
    ]
