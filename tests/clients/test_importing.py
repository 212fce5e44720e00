"""Files of people: reading, mapping, importing in batches, going on after a kill, taking back."""

import io
import re
import zipfile

import pytest
from django.db import transaction
from openpyxl import Workbook, load_workbook

from apps.clients.errors import ImportTooLarge, NotATable
from apps.clients.importing import columns as columns_module
from apps.clients.importing import reading
from apps.clients.importing.columns import checked_mapping, proposed_mapping
from apps.clients.importing.reading import examine
from apps.clients.importing.writing import csv_line, table
from apps.clients.models import Client, ClientImportRow, CustomField
from apps.clients.services import imports
from apps.clients.services.import_undo import run_undo, undo_import
from apps.clients.services.imports import cancel_import, commit_import, preview_import, run_import, upload_import
from apps.core.doctor import findings
from apps.core.errors import Invalid, InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from factories.clients import ClientFactory
from factories.orders import OrderFactory

pytestmark = pytest.mark.django_db

FILE = b"Name,E-Mail,Telefon,Tags\nAda,ada@example.test,+4930123456,vip; early\nBob,bob@example.test,,\n"


def read_in(account, content, *, mapping=None, on_duplicate="skip", name="people.csv", run=True):
    """Upload, commit and run an import; returns it."""
    with account_scope(account):
        source = upload_import(account=account, name=name, content=content)
        commit_import(source, mapping=mapping or source.mapping, on_duplicate=on_duplicate)
    if run:
        run_import(account.pk, source.pk)
    return again(account, source)


def again(account, row):
    with account_scope(account):
        return type(row).objects.get(pk=row.pk)


def counts(source):
    return {name: getattr(source, name) for name in ("state", "done", "created", "updated", "skipped", "bad")}


def rows(account, source):
    with account_scope(account):
        return list(ClientImportRow.objects.filter(source=source).order_by("line").values_list("line", "state", "reason"))


def people(account):
    with account_scope(account):
        return [(c.full_name, c.email, str(c.phone_number), c.tags, c.custom_fields) for c in Client.objects.order_by("pk")]


def sound():
    with platform_scope("test"):
        return [one.code for one, found in findings() if found and one.code in ("I55", "I56", "I57", "I58")]


def xlsx(*found):
    book = Workbook()
    for row in found:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


# -- reading


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Name;E-Mail\nÄda;a@b.test\n".encode("cp1252"), ("cp1252", ";", ["Name", "E-Mail"], [["Äda", "a@b.test"]])),
        ("\ufeffName\tMail\nÄda\ta\n".encode(), ("utf-8-sig", "\t", ["Name", "Mail"], [["Äda", "a"]])),
        ("Name,Mail\r\nÄda,a\r\n".encode("utf-16"), ("utf-16", ",", ["Name", "Mail"], [["Äda", "a"]])),
        (b'\n\nName|Note\n"A, B"|"two\nlines"\n\n', ("utf-8-sig", "|", ["Name", "Note"], [["A, B", "two\nlines"]])),
        (b"Name\nAda\n", ("utf-8-sig", ",", ["Name"], [["Ada"]])),
    ],
)
def test_encoding_and_delimiter_are_found(content, expected):
    shape = examine(content)

    assert (shape.encoding, shape.delimiter, shape.columns, shape.sample) == expected
    assert shape.total == 1


def test_a_workbook_is_read_as_texts_and_formulas_are_not_calculated():
    shape = examine(xlsx(["Name", "Phone", "Born", "Sum", "Ok"], ["Ada", 4930123456, 1.5, "=1+1", True]))

    assert (shape.format, shape.columns) == ("xlsx", ["Name", "Phone", "Born", "Sum", "Ok"])
    assert shape.sample == [["Ada", "4930123456", "1.5", "=1+1", "true"]]


def _with(name, content):
    """A workbook that could be read, with a part more."""
    file = io.BytesIO(xlsx(["Name"], ["Ada"]))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def _bomb():
    return _with("xl/media/more.bin", b"\0" * 50_000_000)


def _entities():
    return _with("docProps/more.xml", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')


@pytest.mark.parametrize("content", [b"\0\1\2", b"   \n\n", _bomb(), _entities(), b"PK\x05\x06" + bytes(18)])
def test_what_is_no_table_is_refused(content):
    with pytest.raises(NotATable):
        examine(content)


def test_too_large_a_file_is_refused(monkeypatch):
    with pytest.raises(ImportTooLarge):
        examine(b"x" * (20 * 1024 * 1024 + 1))
    monkeypatch.setattr(reading, "MAX_ROWS", 2)
    assert examine(b"Name\n1\n2\n").total == 2
    with pytest.raises(ImportTooLarge):
        examine(b"Name\n1\n2\n3\n")


def _far_away(dimension=""):
    """A workbook of two rows, the second of which says that it is the ten thousand millionth."""
    source, file = zipfile.ZipFile(io.BytesIO(xlsx(["Name"], ["Ada"]))), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.infolist():
            part = source.read(entry)
            if entry.filename == "xl/worksheets/sheet1.xml":
                part = re.sub(rb"<dimension[^>]*/>", dimension.encode(), part)
                part = part.replace(b'<row r="2"', b'<row r="10000000000"').replace(b'r="A2"', b'r="A10000000000"')
            archive.writestr(entry.filename, part)
    return file.getvalue()


@pytest.mark.parametrize("dimension", ["", '<dimension ref="A1:A10000000000"/>'])
def test_rows_that_are_not_there_are_not_counted_one_by_one(dimension):
    with pytest.raises(ImportTooLarge):
        examine(_far_away(dimension))


def test_headers_in_three_languages_are_known():
    fields = [CustomField(key="shoe_size", label="Schuhgröße")]

    assert proposed_mapping(["Vorname", "Nachname", "E-Mail-Adresse", "Teléfono", "Etiquetas", "schuhgroesse", "SHOE SIZE", "Foo"], fields) == {
        "Vorname": "first_name", "Nachname": "last_name", "E-Mail-Adresse": "email", "Teléfono": "phone_number", "Etiquetas": "tags",
        "SHOE SIZE": "custom_fields.shoe_size",
    }  # fmt: skip


@pytest.mark.parametrize(
    "mapping",
    [{"Name": "nonsense"}, {"Foo": "email"}, {"Mail": "email"}, {"Name": "full_name", "Mail": "full_name"}, {"Name": "custom_fields."}, {}],
)
def test_mappings_that_make_no_sense_are_refused(mapping):
    with pytest.raises(Invalid):
        checked_mapping(["Name", "Mail"], mapping)


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-1", "@SUM(A1)", "  =x"])
def test_cells_of_our_files_never_begin_a_formula(cell):
    assert csv_line([cell]).lstrip('"').startswith("'")
    assert csv_line(["+4930123456"]) == "+4930123456\r\n"


def test_the_header_of_a_workbook_begins_no_formula_either():
    content, _ = table("xlsx", ["id", "=HYPERLINK(0)", "a\x01b"], [])

    (header,) = load_workbook(io.BytesIO(content)).active.iter_rows()
    assert [(cell.value, cell.data_type) for cell in header] == [("id", "s"), ("'=HYPERLINK(0)", "s"), ("a b", "s")]


# -- importing


def test_a_file_is_read_in(account):
    source = read_in(account, FILE)

    assert counts(source) == {"state": "done", "done": 2, "created": 2, "updated": 0, "skipped": 0, "bad": 0}
    assert people(account) == [("Ada", "ada@example.test", "+4930123456", ["vip", "early"], {}), ("Bob", "bob@example.test", "", [], {})]
    with account_scope(account):
        created = Event.objects.filter(type="client.created")
        assert {(e.source, e.subject_id) for e in created} == {("import", c.pk) for c in Client.objects.all()}
        assert [c.history.count() for c in Client.objects.all()] == [1, 1]
        assert Event.objects.get(type="client_import.finished").changes["created"] == [None, 2]
    assert sound() == []


def test_bad_rows_are_listed_with_their_reasons_and_hold_nobody_up(account):
    content = (
        b"Name,Mail,Phone,Stage\nAda,not-an-address,123,gone\n,x@example.test,,\nBob,bob@example.test,030 123456,Aktiv\n"
        + b"x" * 300
        + b",,,\n"
    )

    source = read_in(account, content)

    assert counts(source) | {"state": "done", "done": 4, "created": 1, "bad": 3} == counts(source)
    assert rows(account, source) == [
        (2, "bad", f"email: Enter a valid email address. phone_number: Enter a valid phone number. stage: Send one of: {', '.join(Client.Stage.values)}."),
        (3, "bad", "full_name: This field is required."),
        (4, "created", ""),
        (5, "bad", "full_name: At most 255 characters."),
    ]  # fmt: skip
    assert people(account) == [("Bob", "bob@example.test", "+4930123456", [], {})]
    with account_scope(account):
        assert ClientImportRow.objects.get(line=3).raw == ["", "x@example.test", "", ""]


def test_duplicates_are_left_alone_or_filled_in(account):
    ClientFactory(account=account, full_name="Ada", email="ADA@example.test", tags=["old"], custom_fields={"a": "1"})
    content = b"Name,Mail,Tags,shoe\nAda King,ada@EXAMPLE.test,new,38\n"
    mapping = {"Name": "full_name", "Mail": "email", "Tags": "tags", "shoe": "custom_fields.shoe"}

    skipped = read_in(account, content, mapping=mapping)
    assert counts(skipped) | {"skipped": 1, "created": 0} == counts(skipped)
    assert people(account)[0][0] == "Ada"

    updated = read_in(account, content, mapping=mapping, on_duplicate="update")
    assert counts(updated) | {"updated": 1} == counts(updated)
    assert people(account) == [("Ada King", "ADA@example.test", "", ["old", "new"], {"a": "1", "shoe": "38"})]

    refused = read_in(account, content, mapping=mapping, on_duplicate="create")
    assert rows(account, refused) == [(2, "bad", imports.EXISTS)]


def test_duplicates_within_the_file_are_found_too(account):
    source = read_in(
        account, b"Name,Mail,Phone\nAda,a@x.test,\nAda,A@x.test,\nBob,,+4930123456\nBob,,030 123456\nEve,,+4930123456\nZoe,,\nzoe,,\n"
    )

    assert [state for _, state, _ in rows(account, source)] == ["created", "skipped", "created", "skipped", "created", "created", "skipped"]
    with account_scope(account):
        assert ClientImportRow.objects.get(line=6).reason == "Somebody else has this phone number."


def test_custom_fields_are_checked_and_required_ones_must_be_there(account):
    with account_scope(account):
        CustomField.objects.create(account=account, key="size", label="Size", kind="integer", is_required=True)

    source = read_in(account, b"Name,Size\nAda,38\nBob,big\nEve,\n")

    assert [(line, state) for line, state, _ in rows(account, source)] == [(2, "created"), (3, "bad"), (4, "bad")]
    assert rows(account, source)[2][2] == "custom_fields.size: This field is required."
    assert people(account)[0][-1] == {"size": 38}


@pytest.mark.django_db(transaction=True)
def test_a_killed_import_goes_on_where_it_stopped(account, monkeypatch):
    monkeypatch.setattr(imports, "BATCH", 2)
    content = b"Name,Mail\n" + b"".join(b"P%d,p%d@x.test\n" % (n, n) for n in range(7))
    source = read_in(account, content, run=False)

    assert not run_import(account.pk, source.pk, most=2)
    halfway = again(account, source)
    original, made = imports._write, []

    def dies(*args):
        written = original(*args)
        made.append(len(written))
        raise KeyboardInterrupt  # after the rows were written, before the batch is committed

    monkeypatch.setattr(imports, "_write", dies)
    with pytest.raises(KeyboardInterrupt):
        run_import(account.pk, source.pk)
    after = again(account, source)
    monkeypatch.setattr(imports, "_write", original)
    assert run_import(account.pk, source.pk)

    assert (counts(halfway)["done"], made, counts(after)["done"]) == (4, [2], 4)
    assert counts(again(account, source)) == {"state": "done", "done": 7, "created": 7, "updated": 0, "skipped": 0, "bad": 0}
    assert [name for name, *_ in people(account)] == [f"P{n}" for n in range(7)]
    assert sound() == []


def test_two_runs_at_once_read_each_row_once(account, monkeypatch):
    monkeypatch.setattr(imports, "BATCH", 2)
    source = read_in(account, b"Name\n" + b"".join(b"P%d\n" % n for n in range(6)), run=False)
    original, inside = imports._read_batch, []

    def overtaken(*args):
        if not inside:
            inside.append(True)
            run_import(account.pk, source.pk)
        return original(*args)

    monkeypatch.setattr(imports, "_read_batch", overtaken)
    run_import(account.pk, source.pk)

    assert counts(again(account, source)) | {"state": "done", "done": 6, "created": 6} == counts(again(account, source))


def test_a_row_that_the_database_refuses_costs_only_itself(account, monkeypatch):
    """Somebody enters the same address between our look and our write."""
    original = imports._Known.of.__func__

    def blind(cls, found):
        known = original(cls, found)
        known.by_email.clear()
        return known

    ClientFactory(account=account, email="bob@example.test")
    monkeypatch.setattr(imports._Known, "of", classmethod(blind))

    source = read_in(account, FILE)

    assert rows(account, source) == [(2, "created", ""), (3, "bad", imports.EXISTS)]
    assert sound() == []


def test_a_cancelled_import_stops_and_keeps_what_it_has(account, monkeypatch):
    monkeypatch.setattr(imports, "BATCH", 1)
    source = read_in(account, FILE, run=False)
    run_import(account.pk, source.pk, most=1)
    with account_scope(account):
        cancel_import(source)

    assert run_import(account.pk, source.pk)

    assert counts(again(account, source)) | {"state": "cancelled", "done": 1} == counts(again(account, source))


def test_a_workbook_is_imported(account):
    source = read_in(account, xlsx(["Name", "Phone"], ["Ada", "+49 30 123456"], ["", ""], ["=HYPERLINK(1)", None]), name="people.xlsx")

    assert counts(source) | {"created": 2, "bad": 0} == counts(source)
    assert [name for name, *_ in people(account)] == ["Ada", "=HYPERLINK(1)"]


def test_a_preview_writes_nothing(account):
    ClientFactory(account=account, full_name="Bob", email="bob@example.test")
    with account_scope(account):
        source = upload_import(account=account, name="people.csv", content=FILE + b",x\nAda,ADA@example.test,,\n")
        events = Event.objects.count()

        shown = preview_import(source, account=account, mapping=source.mapping)

        assert shown["counts"] == {"new": 1, "duplicate": 2, "bad": 1}
        assert [row["state"] for row in shown["rows"]] == ["new", "duplicate", "bad", "duplicate"]
        assert (Client.objects.count(), Event.objects.count()) == (1, events)


def test_an_import_is_committed_once(account):
    source = read_in(account, FILE)

    with account_scope(account), pytest.raises(InvalidTransition), transaction.atomic():
        commit_import(source, mapping=source.mapping, on_duplicate="skip")


# -- taking it back


def test_undo_removes_the_unused_and_restores_the_unchanged(account, monkeypatch):
    ClientFactory(account=account, full_name="Old", email="old@x.test", source="web")
    ClientFactory(account=account, full_name="Kept", email="kept@x.test", source="web")
    content = b"Name,Mail,Source\nAda,ada@x.test,a\nBob,bob@x.test,a\nEve,eve@x.test,a\nNew,old@x.test,a\nNew2,kept@x.test,a\n"
    source = read_in(account, content, on_duplicate="update")
    with account_scope(account):
        OrderFactory(account=account, client=Client.objects.get(email="bob@x.test"))
        for email, name in (("eve@x.test", "Eva"), ("kept@x.test", "Mine")):
            client = Client.objects.get(email=email)
            client.full_name = name
            client.save()
        undo_import(source)
    monkeypatch.setattr("apps.clients.services.import_undo.BATCH", 2)
    assert not run_undo(account.pk, source.pk, most=1)
    assert run_undo(account.pk, source.pk)

    source = again(account, source)
    assert (source.state, source.removed, source.restored, source.left) == ("undone", 1, 1, 3)
    assert rows(account, source) == [
        (2, "removed", ""),
        (3, "left", "It has records by now."),
        (4, "left", "It was changed since."),
        (5, "restored", ""),
        (6, "left", "It was changed since. (full_name)"),
    ]
    with account_scope(account):
        assert list(Client.objects.order_by("pk").values_list("full_name", "source")) == [
            ("Old", "web"), ("Mine", "web"), ("Bob", "a"), ("Eva", "a"),
        ]  # fmt: skip
    assert sound() == []


def test_an_undo_leaves_an_address_that_is_somebody_elses_by_now_and_goes_on(account):
    with account_scope(account):
        ada = ClientFactory(account=account, full_name="Ada", email="old@x.test", phone_number="+4930123456", source="web")
    content = b"Name,Mail,Telefon,Source\nBob,bob@x.test,,a\nAda,new@x.test,+4930123456,a\n"
    source = read_in(account, content, on_duplicate="update")
    with account_scope(account):
        ClientFactory(account=account, full_name="Eve", email="OLD@x.test")
        undo_import(source)

    assert run_undo(account.pk, source.pk)

    assert rows(account, source) == [(2, "removed", ""), (3, "left", "Somebody else has its e-mail by now. (email)")]
    ada = again(account, ada)
    assert (ada.email, ada.source) == ("new@x.test", "web")
    assert (again(account, source).state, sound()) == ("undone", [])


@pytest.mark.parametrize("batch", [1, 500])
def test_an_undo_removes_whom_the_file_itself_has_filled_in(account, monkeypatch, batch):
    monkeypatch.setattr(imports, "BATCH", 1)
    monkeypatch.setattr("apps.clients.services.import_undo.BATCH", batch)
    content = b"Name,Mail,Source\nAda,ada@x.test,\nAda,ada@x.test,fair\nAda King,ada@x.test,fair\n"
    source = read_in(account, content, on_duplicate="update")
    with account_scope(account):
        assert Client.objects.get().source == "fair"
        undo_import(source)

    assert run_undo(account.pk, source.pk)

    assert [state for _, state, _ in rows(account, source)] == ["removed", "restored", "restored"]
    assert people(account) == []
    assert sound() == []


def test_cells_have_a_limit(account, monkeypatch):
    monkeypatch.setattr(columns_module, "MAX_CELL", 10)

    source = read_in(account, b"Name,Note\nAda,12345678901\n", mapping={"Name": "full_name", "Note": "custom_fields.note"})

    assert rows(account, source) == [(2, "bad", "custom_fields.note: At most 10 characters.")]
