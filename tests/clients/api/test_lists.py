"""/api/clients/import/, /api/client-imports/, /api/clients/export/, /api/client-exports/"""

import csv
import io
import shutil
from datetime import timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import MULTIPART_CONTENT
from django.utils import timezone

from apps.accounts.models import Role
from apps.clients.models import Client, ClientExport, ClientImport
from apps.clients.services.exports import make_export
from apps.clients.services.import_undo import run_undo
from apps.clients.services.imports import run_import
from apps.clients.tasks_lists import forget_imports, resume_imports
from apps.clients.tasks_subjects import drop_archives
from apps.core import storage
from apps.core.jobs import run_pending
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.client_lists import ClientImportFactory, ClientImportRowFactory
from factories.clients import ClientFactory

FILE = b"Name,E-Mail\nAda,ada@example.test\nBob,nobody\n=Eve,eve@example.test\n"


def upload(client, content=FILE, name="people.csv", **fields):
    return client.post("/api/clients/import/", {"file": SimpleUploadedFile(name, content), **fields}, MULTIPART_CONTENT)


@pytest.mark.django_db
def test_a_file_goes_all_the_way(owner, account):
    """Upload, preview, commit, the job, bad rows as a list and as a file, undo."""
    uploaded = upload(owner)
    assert uploaded.status_code == 201, uploaded.content
    source = uploaded.json()
    address = f"/api/client-imports/{source['id']}/"
    assert {name: source[name] for name in ("state", "format", "columns", "mapping", "total", "allowed_actions")} == {
        "state": "preview",
        "format": "csv",
        "columns": ["Name", "E-Mail"],
        "mapping": {"Name": "full_name", "E-Mail": "email"},
        "total": 3,
        "allowed_actions": ["preview", "commit", "cancel"],
    }

    shown = owner.post(f"{address}preview/", {"mapping": source["mapping"]})
    assert shown.json()["counts"] == {"new": 2, "duplicate": 0, "bad": 1}
    assert shown.json()["rows"][1] | {"line": 3, "state": "bad", "reason": "email: Enter a valid email address."} == shown.json()["rows"][1]

    assert owner.post(f"{address}commit/", {"mapping": source["mapping"]}).json()["state"] == "running"
    run_import(account.pk, source["id"])
    done = owner.get(address).json()
    assert {name: done[name] for name in ("state", "total", "done", "created", "bad")} == {
        "state": "done",
        "total": 3,
        "done": 3,
        "created": 2,
        "bad": 1,
    }

    (bad,) = owner.get(f"{address}rows/?state=bad").json()["results"]
    assert (bad["line"], bad["raw"], bad["reason"]) == (3, ["Bob", "nobody"], "email: Enter a valid email address.")
    file = owner.get(f"{address}bad-rows/")
    assert file["Content-Disposition"].startswith("attachment")
    assert list(csv.reader(io.StringIO(file.content.decode("utf-8-sig")))) == [
        ["line", "reason", "Name", "E-Mail"],
        ["3", bad["reason"], "Bob", "nobody"],
    ]

    assert owner.post(f"{address}commit/", {"mapping": source["mapping"]}).json()["error"] == "invalid_transition"
    assert owner.post(f"{address}undo/").json()["state"] == "undoing"
    run_undo(account.pk, source["id"])
    assert owner.get(address).json() | {"state": "undone", "removed": 2, "left": 0} == owner.get(address).json()
    assert owner.get("/api/clients/").json()["results"] == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "not_a_table"),
        (b"\0\1", 400, "not_a_table"),
        (b"PK\3\4 no", 400, "not_a_table"),
        (b"x" * (20 * 1024 * 1024 + 1), 413, "import_too_large"),
    ],
)
def test_files_that_are_no_tables_are_refused_and_not_kept(owner, account, content, status, code):
    response = upload(owner, content)

    assert (response.status_code, response.json()["error"]) == (status, code)
    with account_scope(account):
        assert not ClientImport.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "mapping", [None, [], "x", {"Name": None}, {"Name": {"a": 1}}, {"Name": "nonsense"}, {"Foo": "email"}, {}, {"Name": "x" * 1000}]
)
def test_mappings_that_make_no_sense_are_refused(owner, mapping):
    source = upload(owner).json()

    for action in ("preview", "commit"):
        response = owner.post(f"/api/client-imports/{source['id']}/{action}/", {"mapping": mapping})
        assert (response.status_code, response.json()["error"]) == (400, "validation_error")


@pytest.mark.django_db
def test_a_file_that_is_gone_from_the_storage_is_said_so(owner, account):
    source = upload(owner).json()
    with account_scope(account):
        storage.remove(ClientImport.objects.get().storage_key)

    response = owner.post(f"/api/client-imports/{source['id']}/preview/", {"mapping": source["mapping"]})

    assert (response.status_code, response.json()["error"]) == (409, "file_missing")


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 3])
def test_lists_take_a_fixed_number_of_statements(owner, account, statements, count):
    source = ClientImportFactory(account=account)
    for _ in range(count):
        ClientImportFactory(account=account)
        ClientImportRowFactory(account=account, source=source)

    with statements() as made:
        assert len(owner.get("/api/client-imports/").json()["results"]) == count + 1
    assert len(made()) == 3
    with statements() as made:
        assert len(owner.get(f"/api/client-imports/{source.pk}/rows/").json()["results"]) == count
    assert len(made()) == 4


@pytest.mark.django_db(transaction=True)
def test_an_export_is_made_fetched_once_and_announced(owner, client_as, account):
    member = client_as(Role.MANAGER)
    ClientFactory(
        account=account,
        full_name="=cmd|' /C calc'!A0",
        email="a@x.test",
        phone_number="+4930123456",
        tags=["vip"],
        custom_fields={"size": 38},
    )
    ClientFactory(account=account, full_name="Other", email="b@x.test")
    asked = member.post("/api/clients/export/", {"format": "csv", "tag": "vip"})
    assert (asked.status_code, asked.json()["state"]) == (201, "running")
    address = f"/api/client-exports/{asked.json()['id']}/"
    early = member.post(f"{address}download/")
    assert (early.status_code, early.json()["error"], early.json()["state"]) == (409, "export_gone", "running")

    run_pending()

    assert member.get(address).json() | {"state": "ready", "rows": 1} == member.get(address).json()
    assert client_as(Role.MANAGER).post(f"{address}download/").status_code == 404
    file = member.post(f"{address}download/")
    header, row = csv.reader(io.StringIO(b"".join(file.streaming_content).decode("utf-8-sig")))
    assert dict(zip(header, row, strict=True)) | {
        "full_name": "'=cmd|' /C calc'!A0",
        "phone_number": "+4930123456",
        "tags": "vip",
        "size": "38",
    } == dict(zip(header, row, strict=True))
    again = member.post(f"{address}download/")
    assert (again.status_code, again.json()["error"], again.json()["state"]) == (409, "export_gone", "fetched")
    with account_scope(account):
        assert Event.objects.get(type="client.list_exported").changes == {"format": [None, "csv"], "filters": [None, ["tag"]]}
    titles = [one["title"] for one in owner.get("/api/notifications/").json()["results"]]
    assert titles == ["A list of your clients was exported"]


@pytest.mark.django_db
def test_a_workbook_can_be_exported_and_imported_again(owner, account):
    ClientFactory(account=account, full_name="Ada", email="ada@x.test")
    asked = owner.post("/api/clients/export/", {"format": "xlsx"}).json()
    make_export(account.pk, asked["id"])
    file = b"".join(owner.post(f"/api/client-exports/{asked['id']}/download/").streaming_content)

    source = upload(owner, file, "clients.xlsx").json()

    assert source["mapping"] | {"full_name": "full_name", "email": "email"} != {}
    assert (source["format"], source["sample"][0][1:3]) == ("xlsx", ["Ada", "ada@x.test"])


@pytest.mark.django_db
def test_exports_are_limited(owner):
    codes = [owner.post("/api/clients/export/", {}).status_code for _ in range(6)]

    assert codes == [201] * 5 + [429]


@pytest.mark.django_db(transaction=True)
def test_files_go_when_their_time_is_over(owner, account):
    source = upload(owner).json()
    export = owner.post("/api/clients/export/", {}).json()
    make_export(account.pk, export["id"])
    with account_scope(account):
        keys = [ClientImport.objects.get().storage_key, ClientExport.objects.get().storage_key]
    forget_imports(0)
    drop_archives(0)
    run_pending()
    assert all(storage.documents().exists(key) for key in keys)

    with time_machine.travel(timezone.now() + timedelta(days=31), tick=True):
        forget_imports(0)
        drop_archives(0)
        run_pending()

    assert not any(storage.documents().exists(key) for key in keys)
    with account_scope(account):
        assert ClientExport.objects.get(pk=export["id"]).state == "expired"
        assert ClientImport.objects.get(pk=source["id"]).sample == []


@pytest.mark.django_db
def test_a_list_that_was_never_made_has_failed_after_a_day(owner, account):
    asked = owner.post("/api/clients/export/", {}).json()
    drop_archives(0)
    assert owner.get(f"/api/client-exports/{asked['id']}/").json()["state"] == "running"

    with time_machine.travel(timezone.now() + timedelta(hours=25), tick=True):
        drop_archives(0)
    make_export(account.pk, asked["id"])

    assert owner.get(f"/api/client-exports/{asked['id']}/").json()["state"] == "failed"


@pytest.mark.django_db
def test_an_import_whose_job_was_lost_is_queued_again(owner, account):
    source = upload(owner).json()
    owner.post(f"/api/client-imports/{source['id']}/commit/", {"mapping": source["mapping"]})
    run_import(account.pk, source["id"], most=0)
    assert resume_imports(0) == 0

    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
        assert resume_imports(0) == 1

    run_import(account.pk, source["id"])
    with account_scope(account):
        assert Client.objects.count() == 2


@pytest.fixture(autouse=True)
def _own_storage(settings, tmp_path):
    settings.STORAGES = {**settings.STORAGES, "documents": {**settings.STORAGES["documents"], "OPTIONS": {"location": tmp_path}}}
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)
