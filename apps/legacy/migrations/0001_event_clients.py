"""Events that were written before they said whose client they are about (core 0005) appear in timelines, too."""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations

from apps.core.tenancy import platform_scope

BATCH = 20_000
# subject type: the table it lies in. Documents and reviews are said of bookings, or have the client themselves.
SUBJECTS = {
    "bookings.booking": "bookings_booking",
    "bookings.bookingseries": "bookings_bookingseries",
    "bookings.review": "bookings_review",
    "bookings.waitlistentry": "bookings_waitlistentry",
    "bookings.waitlistoffer": "bookings_waitlistoffer",
    "orders.order": "orders_order",
    "payments.dispute": "payments_dispute",
    "payments.invoice": "payments_invoice",
    "payments.payment": "payments_payment",
    "payments.pointsentry": "payments_pointsentry",
    "payments.refund": "payments_refund",
    "payments.walletlot": "payments_walletlot",
    "payments.wallettransaction": "payments_wallettransaction",
}


def fill_in(apps: Apps, schema_editor: Any) -> None:
    """In batches of ids, so that no lock is held for long; run again, it goes on."""
    with schema_editor.connection.cursor() as cursor:
        with platform_scope("clients of old events"):
            cursor.execute("SELECT coalesce(max(id), 0) FROM core_event")
            (last,) = cursor.fetchone()
        for start in range(0, last + 1, BATCH):
            with platform_scope("clients of old events"):
                within = [start, start + BATCH]
                cursor.execute(
                    "UPDATE core_event SET client_id = subject_id"
                    " WHERE id >= %s AND id < %s AND client_id IS NULL AND subject_type = 'clients.client'",
                    within,
                )
                for subject_type, table in SUBJECTS.items():
                    cursor.execute(
                        f"UPDATE core_event SET client_id = t.client_id FROM {table} t"  # noqa: S608  our own table names
                        " WHERE core_event.id >= %s AND core_event.id < %s AND core_event.client_id IS NULL"
                        " AND core_event.subject_type = %s AND t.account_id = core_event.account_id AND t.id = core_event.subject_id",
                        [*within, subject_type],
                    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("core", "0006_events_online"), ("bookings", "0004_time_online"), ("payments", "0005_guards")]

    operations = [migrations.RunPython(fill_in, migrations.RunPython.noop)]
