"""File and row stay together, limits hold when uploads race, and doctor sees what is broken."""

import os
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from apps.bookings.errors import LimitReached
from apps.bookings.models import Booking
from apps.bookings.services import documents
from apps.bookings.services.documents import add_document
from apps.core import storage
from apps.core.doctor import findings
from apps.core.tenancy import account_scope, platform_scope
from factories.bookings import BookingDocumentFactory, BookingFactory
from tests.bookings.uploads import PDF, refused, stored, upload

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def booking(account) -> Booking:
    return BookingFactory(account=account)


# -- file and row stay together


@pytest.mark.django_db(transaction=True)
def test_a_rollback_leaves_no_file_and_a_commit_keeps_it(folder):
    booking = BookingFactory()

    with account_scope(booking.account):
        with transaction.atomic():
            add_document(booking, name="a.pdf", content=PDF)
            assert len(stored(folder)) == 1
            transaction.set_rollback(True)
        assert stored(folder) == []
        kept = add_document(booking, name="b.pdf", content=PDF)
        BookingDocumentFactory.create_batch(19, account=booking.account, booking=booking)
        with pytest.raises(LimitReached), transaction.atomic():
            add_document(booking, name="c.pdf", content=PDF)

    assert stored(folder) == [kept.storage_key]


@pytest.mark.django_db(transaction=True)
def test_a_request_that_fails_after_the_upload_leaves_no_file(client_as, folder, monkeypatch):
    def fails(*args, **kwargs):
        assert len(stored(folder)) == 1
        raise RuntimeError

    booking = BookingFactory()
    monkeypatch.setattr(documents, "emit", fails)

    response = upload(client_as("owner", booking.account), booking)

    assert refused(response) == (500, "server_error")
    assert stored(folder) == []


def test_files_of_killed_processes_are_swept_after_a_day(owner, account, booking, folder):
    upload(owner, booking)
    kept = stored(folder)
    (folder / str(account.pk) / "young").write_bytes(b"x")
    old = folder / str(account.pk) / "old"
    old.write_bytes(b"x")
    yesterday = (timezone.now() - timedelta(hours=25)).timestamp()
    for path in (old, folder / kept[0]):
        os.utime(path, (yesterday, yesterday))

    assert storage.sweep_files(timestamp=0) == 1
    assert stored(folder) == sorted([*kept, f"{account.pk}/young"])


def test_nothing_to_sweep_where_nothing_was_stored(db, folder):
    assert not folder.exists()
    assert storage.sweep_files(timestamp=0) == 0


# -- limits


def test_twenty_documents_are_the_limit_of_a_session(owner, account, booking, folder):
    BookingDocumentFactory.create_batch(19, account=account, booking=booking)

    assert upload(owner, booking).status_code == 201
    response = upload(owner, booking)

    assert (refused(response), response.json()["rule"]) == ((409, "limit_reached"), "documents_per_booking")
    assert len(stored(folder)) == 1
    assert upload(owner, BookingFactory(account=account)).status_code == 201


def test_the_quota_of_the_account_is_a_setting(owner, account, other_account, booking, folder):
    owner.patch("/api/account/settings/", {"document_quota_mb": 1})
    BookingDocumentFactory(account=account, size=1024 * 1024 - len(PDF))
    BookingDocumentFactory(account=other_account, size=1024 * 1024)

    assert upload(owner, booking).status_code == 201  # to the last byte
    response = upload(owner, booking, b"x", "a.txt")

    assert (refused(response), response.json()["rule"]) == ((409, "limit_reached"), "document_quota_mb")
    assert len(stored(folder)) == 1
    assert refused(owner.patch("/api/account/settings/", {"document_quota_mb": -1})) == (400, "validation_error")
    assert owner.get("/api/account/settings/").json()["document_quota_mb"] == 1


def race(bookings) -> list[str]:
    """One upload per booking, at once, each on a connection of its own; what became of them."""
    barrier, answers = threading.Barrier(len(bookings)), []

    def add(booking):
        try:
            barrier.wait()
            with account_scope(booking.account_id):
                add_document(booking, name="a.pdf", content=PDF)
            answers.append("kept")
        except LimitReached as error:
            answers.append(error.extras["rule"])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=add, args=(booking,)) for booking in bookings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture
def wide_window(monkeypatch):
    """Time between counting and writing, so that whoever can slip in does."""
    refuse = documents._refuse_beyond_limits

    def slowly(*args):
        refuse(*args)
        time.sleep(0.3)

    monkeypatch.setattr(documents, "_refuse_beyond_limits", slowly)


@pytest.fixture
def lock_removed(monkeypatch):
    monkeypatch.setattr(documents, "_lock_account", lambda account_id: documents.Account.objects.get(pk=account_id))
    monkeypatch.setattr(documents, "_lock_session", lambda booking_id: documents.Booking.objects.get(pk=booking_id))


def nineteen():
    booking = BookingFactory()
    BookingDocumentFactory.create_batch(19, account=booking.account, booking=booking)
    return [booking, booking]


def nearly_full():
    """Two sessions of an account whose quota has room for one more file."""
    booking = BookingFactory(account__settings={"document_quota_mb": 1})
    BookingDocumentFactory(account=booking.account, size=1024 * 1024 - len(PDF))
    return [booking, BookingFactory(account=booking.account)]


RACES = [(nineteen, "documents_per_booking"), (nearly_full, "document_quota_mb")]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("situation", "rule"), RACES)
def test_of_two_uploads_at_the_limit_one_is_kept(situation, rule, wide_window, folder):
    assert Counter(race(situation())) == {"kept": 1, rule: 1}
    assert len(stored(folder)) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("situation", "rule"), RACES)
def test_negative_control_without_the_lock_both_are_kept(situation, rule, wide_window, lock_removed, folder):
    assert Counter(race(situation())) == {"kept": 2}
    assert len(stored(folder)) == 2


# -- doctor


@pytest.mark.parametrize(
    "broken",
    [
        "storage_key = '999999' || substr(storage_key, strpos(storage_key, '/'))",
        "storage_key = account_id || '/../x'",
        "size = 10485761",
        "size = 0",
        "storage_key = (SELECT o.storage_key FROM bookings_bookingdocument o WHERE o.id < bookings_bookingdocument.id)",
    ],
)
def test_doctor_finds_a_broken_document(account, booking, broken):
    BookingDocumentFactory(account=account, booking=booking)
    document = BookingDocumentFactory(account=account, booking=booking)
    with platform_scope("test"), connection.cursor() as cursor:
        assert [one.code for one, found in findings() if found and one.code in ("I32", "I18.documents")] == []
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        for name in ("unique_key", "size", "key"):
            cursor.execute(f"ALTER TABLE bookings_bookingdocument DROP CONSTRAINT bookings_bookingdocument_{name}")
        cursor.execute(f"UPDATE bookings_bookingdocument SET {broken} WHERE id = %s", [document.pk])

        assert [one.code for one, found in findings() if found and one.code in ("I32", "I18.documents")] == ["I32"]
