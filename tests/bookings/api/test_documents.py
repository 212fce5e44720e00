"""Documents of a session over HTTP: upload, list, download, change, delete."""

import hashlib
import stat

import pytest
import yaml
from django.conf import settings as django_settings
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from apps.bookings.models import MAX_DOCUMENT_BYTES, Booking, BookingDocument
from apps.bookings.services.documents import add_document, delete_document
from apps.core import jobs, storage
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.bookings import BookingDocumentFactory, BookingFactory
from factories.files import docx, picture
from tests.bookings.uploads import PDF, refused, stored, upload

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def booking(account) -> Booking:
    return BookingFactory(account=account)


# -- uploading


def test_upload_keeps_file_and_row(owner, account, booking, folder):
    response = upload(owner, booking, kind="form", is_shared="false")

    assert response.status_code == 201
    with account_scope(account):
        document = BookingDocument.objects.get()
        event = Event.objects.get(type="document.added")
    body = response.json()
    assert body == {
        "id": document.pk,
        "booking": booking.pk,
        "client": booking.client_id,
        "name": "consent.pdf",
        "kind": "form",
        "content_type": "application/pdf",
        "size": len(PDF),
        "sha256": hashlib.sha256(PDF).hexdigest(),
        "is_shared": False,
        "uploaded_by": document.uploaded_by_id,
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }
    assert document.uploaded_by_id is not None
    assert document.client_id == booking.client_id
    assert stored(folder) == [document.storage_key]
    assert (folder / document.storage_key).read_bytes() == PDF
    assert document.storage_key.startswith(f"{account.pk}/")
    assert (event.subject_type, event.subject_id, event.changes) == (
        "bookings.booking",
        booking.pk,
        {"document": [None, document.pk], "is_shared": [None, False]},
    )


def test_files_are_readable_for_the_server_only(owner, booking, folder):
    upload(owner, booking)

    file = folder / stored(folder)[0]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with pytest.raises(ValueError, match="permission check"):
        storages["documents"].url(stored(folder)[0])


def test_what_is_left_out_has_its_default(owner, booking):
    first = upload(owner, booking).json()
    second = upload(owner, booking, picture(), "photo.png").json()

    assert (first["kind"], first["is_shared"]) == ("other", True)
    assert (second["kind"], second["is_shared"], second["content_type"]) == ("image", True, "image/png")


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("a.txt", "Notiz äöü".encode(), "text/plain; charset=utf-8"),
        ("a.docx", docx(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.jpeg", picture("JPEG"), "image/jpeg"),
        ("a.webp", picture("WEBP"), "image/webp"),
    ],
)
def test_every_kind_comes_back_with_its_type(owner, booking, folder, name, content, content_type):
    document = upload(owner, booking, content, name).json()

    response = owner.get(f"/api/documents/{document['id']}/download/")

    assert (document["content_type"], response.headers["Content-Type"]) == (content_type, content_type)
    assert b"".join(response.streaming_content) == (folder / stored(folder)[0]).read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("a.pdf", b"", 400, "file_type_refused"),
        ("a.txt", b"x" * (MAX_DOCUMENT_BYTES + 1), 413, "file_too_large"),
        ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400, "file_type_refused"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400, "file_type_refused"),
        ("a.pdf.exe", PDF, 400, "file_type_refused"),
        ("a.pdf", PDF + b"PK\x05\x06" + b"\0" * 18, 400, "file_type_refused"),
        ("a.txt", rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*", 400, "file_type_refused"),
    ],
)
def test_refused_files_leave_nothing(owner, account, booking, folder, name, content, status, code):
    assert refused(upload(owner, booking, content, name)) == (status, code)

    with account_scope(account):
        assert BookingDocument.objects.count() == Event.objects.filter(type="document.added").count() == 0
    assert stored(folder) == []


def test_the_largest_file_fits_into_a_form(owner, booking):
    assert upload(owner, booking, b"x" * MAX_DOCUMENT_BYTES, "a.txt").json()["size"] == MAX_DOCUMENT_BYTES


def test_a_form_over_the_limit_is_answered_in_our_envelope(owner, booking, folder):
    response = upload(owner, booking, b"x" * (django_settings.MAX_UPLOAD_BYTES + 1), "a.txt")

    assert refused(response) == (413, "payload_too_large")
    assert set(response.json()) == {"error", "message", "request_id"}


def test_a_scanner_that_is_away_lets_nothing_in(owner, booking, folder, settings):
    settings.DOCUMENT_SCANNER = "tests.bookings.test_files.offline"

    response = upload(owner, booking)

    assert refused(response) == (503, "file_not_scanned")
    assert response.headers["Retry-After"] == "1"
    assert stored(folder) == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../x.pdf", "x.pdf"),
        ("..\\..\\x.pdf", "x.pdf"),
        ("n" * 300 + ".pdf", "n" * 196 + ".pdf"),
        ("הסכמה \u202efdp.pdf", "הסכמה fdp.pdf"),
        ('a "quoted" name.pdf', 'a "quoted" name.pdf'),
    ],
)
def test_names_are_cleaned_and_say_nothing_about_the_place(owner, account, booking, folder, sent, kept):
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{sent.replace(chr(34), "&quot;")}"\r\n'
        "Content-Type: text/html\r\n\r\n"
    ).encode() + PDF
    body += f"\r\n--{BOUNDARY}--\r\n".encode()
    response = owner.generic("POST", f"/api/bookings/{booking.pk}/documents/", body, MULTIPART_CONTENT)

    assert response.status_code == 201
    document = response.json()
    # Django's own parser cuts a name to 255 characters before we see it, keeping the extension.
    assert (document["name"], document["content_type"]) == (kept, "application/pdf")
    assert len(stored(folder)) == 1
    assert stored(folder)[0].startswith(f"{account.pk}/")
    disposition = owner.get(f"/api/documents/{document['id']}/download/").headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename")
    assert disposition.isascii()
    assert disposition.isprintable()


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b'{"file": "x"}', 415, "unsupported_media_type"),
        ("multipart/form-data", b"x", 400, "validation_error"),
        ("multipart/form-data; boundary=" + "b" * 201, b"x", 400, "validation_error"),
        ("multipart/form-data; boundary=" + "b" * 300, b"x", 415, "unsupported_media_type"),
        (MULTIPART_CONTENT, b"no form at all", 400, "validation_error"),
        (MULTIPART_CONTENT, b"", 400, "validation_error"),
        (MULTIPART_CONTENT, encode_multipart(BOUNDARY, {"file": "a text"}), 400, "validation_error"),
        (MULTIPART_CONTENT, encode_multipart(BOUNDARY, {f"f{n}": "x" for n in range(1001)}), 400, "validation_error"),
        (MULTIPART_CONTENT, encode_multipart(BOUNDARY, {"is_shared": "x" * 1_000_001}), 413, "payload_too_large"),
        (MULTIPART_CONTENT, encode_multipart(BOUNDARY, {"is_shared": ["true", "false"]}), 400, "validation_error"),
    ],
)
def test_what_is_no_form_with_a_file_is_refused(owner, booking, folder, content_type, body, status, code):
    response = owner.generic("POST", f"/api/bookings/{booking.pk}/documents/", body, content_type)

    assert refused(response) == (status, code)
    assert stored(folder) == []


def test_wrong_fields_are_named(owner, booking, folder):
    wrong = upload(owner, booking, kind="virus", is_shared="perhaps")
    unknown = upload(owner, booking, storage_key="1/x")
    twice = owner.post(
        f"/api/bookings/{booking.pk}/documents/",
        {"file": [SimpleUploadedFile("a.pdf", PDF), SimpleUploadedFile("b.pdf", PDF)]},
        MULTIPART_CONTENT,
    )

    assert (refused(wrong), set(wrong.json()["fields"])) == ((400, "validation_error"), {"kind", "is_shared"})
    assert (refused(unknown), set(unknown.json()["fields"])) == ((400, "unknown_field"), {"storage_key"})
    assert (refused(twice), twice.json()["fields"]) == ((400, "validation_error"), {"file": ["Send this field once."]})
    assert stored(folder) == []


def test_upload_is_described_as_a_form_with_a_file(owner):
    schema = yaml.safe_load(owner.get("/api/schema/").content)

    content = schema["paths"]["/api/bookings/{id}/documents/"]["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    shape = schema["components"]["schemas"][content["multipart/form-data"]["schema"]["$ref"].rsplit("/")[-1]]
    assert shape["required"] == ["file"]
    assert set(shape["properties"]) == {"file", "kind", "is_shared"}
    assert shape["properties"]["file"].get("format") == "binary" or "contentMediaType" in shape["properties"]["file"]


# -- reading


@pytest.mark.parametrize("number", [1, 3])
def test_list_takes_the_same_statements_whatever_it_holds(owner, account, booking, statements, number):
    for n in range(number):
        BookingDocumentFactory(account=account, booking=booking, name=f"{n}.pdf")
    BookingDocumentFactory(account=account)  # another session's
    owner.get(f"/api/bookings/{booking.pk}/documents/")

    with statements() as made:
        response = owner.get(f"/api/bookings/{booking.pk}/documents/")

    assert [row["name"] for row in response.json()["results"]] == [f"{n}.pdf" for n in reversed(range(number))]
    assert (response.json()["next"], response.json()["previous"]) == (None, None)
    assert len(made()) == 4, made()


def test_the_place_of_a_file_is_shown_nowhere(owner, account, booking, folder):
    document = upload(owner, booking).json()
    key = stored(folder)[0].split("/")[1]

    for path in (f"/api/bookings/{booking.pk}/documents/", f"/api/documents/{document['id']}/"):
        assert key not in owner.get(path).content.decode()


def test_download_is_an_attachment_that_nothing_keeps(owner, booking):
    document = upload(owner, booking, name="Résumé 1.pdf").json()

    response = owner.get(f"/api/documents/{document['id']}/download/", headers={"Accept": "application/pdf", "Range": "bytes=0-3"})

    assert response.status_code == 200  # a range is not needed and not promised
    assert b"".join(response.streaming_content) == PDF
    assert {name: response.headers[name] for name in ("Content-Type", "Content-Length", "X-Content-Type-Options", "Cache-Control")} == {
        "Content-Type": "application/pdf",
        "Content-Length": str(len(PDF)),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    assert response.headers["Content-Disposition"] == "attachment; filename*=utf-8''R%C3%A9sum%C3%A9%201.pdf"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_file_that_the_storage_has_lost_is_said_to_be_missing(owner, account, booking):
    document = BookingDocumentFactory(account=account, booking=booking)

    assert refused(owner.get(f"/api/documents/{document.pk}/download/")) == (409, "file_missing")


@pytest.mark.parametrize(
    ("role", "may_read", "may_delete"),
    [
        ("owner", True, True),
        ("manager", True, True),
        ("front_desk", True, True),
        ("practitioner", True, False),
        ("bookkeeper", False, False),
    ],
)
def test_who_may_do_what(client_as, owner, booking, role, may_read, may_delete):
    client, document = client_as(role), upload(owner, booking).json()
    address = f"/api/documents/{document['id']}/"

    reads = [
        client.get(f"/api/bookings/{booking.pk}/documents/"),
        client.get(address),
        client.get(f"{address}download/"),
        client.patch(address, {"is_shared": False}),
        upload(client, booking),
    ]

    assert [response.status_code for response in reads] == ([200, 200, 200, 200, 201] if may_read else [403] * 5)
    assert client.delete(address).status_code == (204 if may_delete else 403)


def test_documents_of_another_account_do_not_exist(owner, other_owner, booking, folder):
    document = upload(owner, booking).json()
    before = stored(folder)

    answers = [
        other_owner.get(f"/api/bookings/{booking.pk}/documents/"),
        upload(other_owner, booking),
        other_owner.get(f"/api/documents/{document['id']}/"),
        other_owner.get(f"/api/documents/{document['id']}/download/"),
        other_owner.patch(f"/api/documents/{document['id']}/", {"name": "x.pdf"}),
        other_owner.delete(f"/api/documents/{document['id']}/"),
    ]

    assert [refused(response) for response in answers] == [(404, "not_found")] * 6
    assert stored(folder) == before
    assert owner.get(f"/api/documents/{document['id']}/").json() == document


# -- changing and deleting


def test_change_name_kind_and_sharing(owner, account, booking):
    document = upload(owner, booking).json()

    response = owner.patch(f"/api/documents/{document['id']}/", {"name": "../Signed consent.pdf", "kind": "form", "is_shared": False})

    changed = response.json()
    assert changed == {**document, "name": "Signed consent.pdf", "kind": "form", "is_shared": False, "updated_at": changed["updated_at"]}
    with account_scope(account):
        event = Event.objects.get(type="document.updated")
    assert event.changes == {
        "document": [document["id"], document["id"]],
        "kind": ["other", "form"],
        "is_shared": [True, False],
        "renamed": [False, True],
    }


def test_a_change_that_changes_nothing_is_no_event(owner, account, booking):
    document = upload(owner, booking).json()

    assert owner.patch(f"/api/documents/{document['id']}/", {"is_shared": True}).json() == document
    with account_scope(account):
        assert not Event.objects.filter(type="document.updated").exists()


@pytest.mark.parametrize("name", ["evil.exe", "consent.png", "consent", "a.exe.pdf", "", "a" * 201 + ".pdf", 5.5])
def test_a_new_name_keeps_the_extension(owner, booking, name):
    document = upload(owner, booking).json()

    response = owner.patch(f"/api/documents/{document['id']}/", {"name": name})

    assert (refused(response), set(response.json()["fields"])) == ((400, "validation_error"), {"name"})
    assert owner.get(f"/api/documents/{document['id']}/").json() == document


def test_delete_takes_the_row_and_then_the_file(owner, account, booking, folder):
    document = upload(owner, booking).json()

    response = owner.delete(f"/api/documents/{document['id']}/")

    assert response.status_code == 204
    assert owner.get(f"/api/documents/{document['id']}/").status_code == 404
    assert owner.delete(f"/api/documents/{document['id']}/").status_code == 404
    with account_scope(account):
        event = Event.objects.get(type="document.deleted")
    assert (event.subject_id, event.changes) == (booking.pk, {"document": [document["id"], None]})
    assert len(stored(folder)) == 1  # until the deletion is committed


@pytest.mark.django_db(transaction=True)
def test_the_job_deletes_the_file_and_does_not_mind_to_run_twice(folder):
    booking = BookingFactory()
    with account_scope(booking.account):
        document = add_document(booking, name="a.pdf", content=PDF)
    assert stored(folder) == [document.storage_key]

    with account_scope(booking.account):
        delete_document(document)
    jobs.run_pending()

    assert stored(folder) == []
    storage.remove_file(document.storage_key)


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_is_rolled_back_keeps_the_file(folder):
    booking = BookingFactory()
    with account_scope(booking.account):
        document = add_document(booking, name="a.pdf", content=PDF)

    with account_scope(booking.account), transaction.atomic():
        delete_document(document)
        transaction.set_rollback(True)
    jobs.run_pending()

    assert stored(folder) == [document.storage_key]
