"""Documents in an S3, over HTTP."""

import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from django.db import transaction
from moto.server import ThreadedMotoServer

from apps.bookings.models import Booking, BookingDocument
from apps.bookings.services.documents import add_document, delete_document
from apps.core import jobs, storage
from apps.core.tenancy import account_scope
from config.s3 import private_bucket
from factories.bookings import BookingFactory
from tests.bookings.uploads import PDF, refused, stored, upload

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def booking(account) -> Booking:
    return BookingFactory(account=account)


# -- S3, over HTTP


@pytest.fixture(scope="module")
def s3_server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server, settings):
    """A bucket with its client; documents are stored there."""
    keys = {"access_key": "key", "secret_key": "secret"}
    settings.STORAGES = {
        **settings.STORAGES,
        "documents": private_bucket(bucket="documents", endpoint_url=s3_server, region="eu-central-1", **keys),
    }
    client = boto3.client("s3", endpoint_url=s3_server, region_name="eu-central-1", aws_access_key_id="key", aws_secret_access_key="secret")
    client.create_bucket(Bucket="documents", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    for key in keys_in(client):
        client.delete_object(Bucket="documents", Key=key)
    client.delete_bucket(Bucket="documents")


def keys_in(client) -> list[str]:
    return [one["Key"] for one in client.list_objects_v2(Bucket="documents").get("Contents", ())]


def test_with_s3_a_download_is_a_redirect_that_works_for_five_minutes(owner, account, booking, bucket, folder):
    document = upload(owner, booking, name="Résumé.pdf").json()
    with account_scope(account):
        key = BookingDocument.objects.get().storage_key
    assert keys_in(bucket) == [key]
    assert stored(folder) == []

    response = owner.get(f"/api/documents/{document['id']}/download/")

    assert response.status_code == 302
    assert response.headers["Cache-Control"] == "private, no-store"
    query = parse_qs(urlsplit(response.headers["Location"]).query)
    assert query["X-Amz-Expires"] == ["300"]
    assert query["X-Amz-Signature"]
    with urllib.request.urlopen(response.headers["Location"]) as answer:  # noqa: S310  our own test server
        assert answer.read() == PDF
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''R%C3%A9sum%C3%A9.pdf"
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_s3_roles_and_other_accounts_get_no_address(owner, other_owner, client_as, booking, bucket):
    document = upload(owner, booking).json()

    for client, status in ((other_owner, 404), (client_as("bookkeeper"), 403), (client_as(None), 401)):
        assert client.get(f"/api/documents/{document['id']}/download/").status_code == status


@pytest.mark.django_db(transaction=True)
def test_s3_rollback_deletion_and_sweep(bucket, settings):
    booking = BookingFactory()
    with account_scope(booking.account):
        with transaction.atomic():
            add_document(booking, name="a.pdf", content=PDF)
            assert len(keys_in(bucket)) == 1
            transaction.set_rollback(True)
        assert keys_in(bucket) == []
        document = add_document(booking, name="a.pdf", content=PDF)
    assert keys_in(bucket) == [document.storage_key]
    bucket.put_object(Bucket="documents", Key=f"{booking.account_id}/orphan", Body=b"x")

    assert storage.sweep_files(timestamp=0) == 0  # too young
    assert [sorted(keys) for keys in storage.keys_by_account()] == [sorted([document.storage_key, f"{booking.account_id}/orphan"])]
    with account_scope(booking.account):
        delete_document(document)
    jobs.run_pending()

    assert keys_in(bucket) == [f"{booking.account_id}/orphan"]


def test_s3_that_is_away_refuses_the_upload_and_nothing_is_kept(owner, account, booking, settings, caplog):
    away = private_bucket(bucket="b", endpoint_url="http://127.0.0.1:9", region="eu-central-1", access_key="k", secret_key="s")
    settings.STORAGES = {**settings.STORAGES, "documents": away}

    response = upload(owner, booking)

    assert refused(response) == (503, "storage_unavailable")
    assert "left to the sweeper" in caplog.text
    assert "consent" not in caplog.text
    with account_scope(account):
        assert BookingDocument.objects.count() == 0
