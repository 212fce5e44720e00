"""Invoices and credit notes over HTTP."""

from io import BytesIO

import pytest
import time_machine
from pypdf import PdfReader

from tests.payments.documents import change, issue
from tests.studio import NOW, open_studio

INVOICES, CREDIT_NOTES = "/api/invoices/", "/api/credit-notes/"


def numbers(response):
    assert response.status_code == 200, response.content
    return [one["number"] for one in response.json()["results"]]


def test_an_invoice_is_issued_once_and_read_back(studio, owner):
    order = studio.sell().order

    with time_machine.travel(NOW, tick=True):
        made = owner.post(INVOICES, {"order": order.pk})
        again = owner.post(INVOICES, {"order": order.pk})

    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["kind"], body["number"], body["order"], body["order_number"]) == ("invoice", "INV-00001", order.pk, order.number)
    assert (body["net_cents"], body["tax_cents"], body["total_cents"], body["currency"]) == (10000, 0, 10000, "EUR")
    assert (body["client"], body["client_name"], body["corrects"], body["corrects_number"]) == (
        studio.client.pk,
        studio.client.full_name,
        None,
        None,
    )
    assert body["document"]["issued_on"] == "2026-11-21"
    assert (again.status_code, again.json()["error"]) == (409, "nothing_to_invoice")
    assert owner.get(f"{INVOICES}{body['id']}/").json() == body


def test_a_key_gives_the_same_invoice_again(studio, owner):
    order = studio.sell().order

    first, second = (owner.post(INVOICES, {"order": order.pk}, headers={"Idempotency-Key": "one"}) for _ in range(2))

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert numbers(owner.get(INVOICES)) == ["INV-00001"]


def test_a_correction_is_a_credit_note_and_is_listed_there(studio, owner):
    order = studio.sell().order
    invoice = issue(studio, order)
    change(studio, order, -2500)

    made = owner.post(INVOICES, {"order": order.pk})

    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["kind"], body["number"], body["corrects"], body["corrects_number"], body["total_cents"]) == (
        "credit_note",
        "CN-00001",
        invoice.pk,
        "INV-00001",
        -2500,
    )
    assert (numbers(owner.get(INVOICES)), numbers(owner.get(CREDIT_NOTES))) == (["INV-00001"], ["CN-00001"])
    assert owner.get(f"{CREDIT_NOTES}{body['id']}/").json() == body
    assert owner.get(f"{INVOICES}{body['id']}/").status_code == 404
    assert owner.get(f"{CREDIT_NOTES}{invoice.pk}/").status_code == 404
    assert owner.get(f"{CREDIT_NOTES}{body['id']}/pdf/").content.startswith(b"%PDF")


def test_the_pdf_has_a_name_and_an_etag_that_saves_the_second_download(studio, owner):
    studio.account.settings = {"invoice_series": "RE/{year}/"}
    studio.account.save(update_fields=["settings"])
    url = f"{INVOICES}{issue(studio, studio.sell().order).pk}/pdf/"

    answer = owner.get(url, headers={"Accept": "application/pdf"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"] == 'inline; filename="RE-2026-00001.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "RE/2026/00001" in PdfReader(BytesIO(answer.content)).pages[0].extract_text()
    unchanged = owner.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    assert owner.get(url, headers={"If-None-Match": '"other"'}).content == answer.content


def test_filters(studio, owner):
    other = studio.other_client()
    first, second = studio.sell().order, studio.sell(client=other).order
    issue(studio, first, NOW)
    issue(studio, second, NOW.replace(day=25))

    for query, found in (
        (f"order={first.pk}", ["INV-00001"]),
        (f"client={other.pk}", ["INV-00002"]),
        ("from=2026-11-22", ["INV-00002"]),
        ("to=2026-11-22", ["INV-00001"]),
        ("from=2026-11-21T08:00:00Z&to=2026-11-25T08:00:00Z", ["INV-00001"]),
        ("search=00002", ["INV-00002"]),
        ("ordering=issued_at", ["INV-00001", "INV-00002"]),
    ):
        assert numbers(owner.get(f"{INVOICES}?{query}")) == found, query
    assert owner.get(f"{INVOICES}?from=yesterday").status_code == 400


@pytest.mark.parametrize("body", [{}, {"order": 0}, {"order": "x"}, {"order": 1, "number": "INV-1"}, {"order": None}])
def test_bad_input(studio, owner, body):
    assert owner.post(INVOICES, body).status_code == 400
    assert numbers(owner.get(INVOICES)) == []


def test_an_order_of_another_account_does_not_exist(studio, owner, other_account):
    foreign = open_studio(other_account)
    order = foreign.sell().order
    invoice = issue(foreign, order)

    answer = owner.post(INVOICES, {"order": order.pk})

    assert (answer.status_code, answer.json()["fields"]) == (400, {"order": [f'Invalid pk "{order.pk}" - object does not exist.']})
    assert owner.get(f"{INVOICES}{invoice.pk}/pdf/").status_code == 404


@pytest.mark.parametrize(
    ("role", "status"),
    [("owner", 201), ("manager", 201), ("front_desk", 201), ("bookkeeper", 201), ("practitioner", 403), (None, 401)],
)
def test_who_issues_and_reads(studio, client_as, role, status):
    order = studio.sell().order

    answer = client_as(role).post(INVOICES, {"order": order.pk})

    assert answer.status_code == status
    read = client_as(role).get(INVOICES)
    assert read.status_code == (200 if status == 201 else status)


def test_the_list_takes_a_fixed_number_of_statements(studio, owner, statements):
    made = {}
    for count in (1, 3):
        while len(numbers(owner.get(INVOICES))) < count:
            issue(studio, studio.sell().order)
        with statements() as done:
            assert len(numbers(owner.get(INVOICES))) == count
        made[count] = len(done())

    assert made[1] == made[3]
    assert made[3] <= 4
