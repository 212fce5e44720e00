"""What is invoiced, when, under which number, and what the document says."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import OrderLine
from apps.payments.errors import InvoiceNumberTaken, NothingToInvoice
from apps.payments.labels import LABELS
from apps.payments.models import CreditNote, Invoice, InvoiceLine
from apps.payments.services import mark_received
from tests.payments.documents import CORRECT_INVOICE, INVOICE_SALE, change, documents, inside, issue, settings_of, told
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW, open_studio


def lines_of(document):
    return [
        (line["description"], line["net_cents"], line["tax_rate"], line["tax_cents"], line["gross_cents"]) for line in document["lines"]
    ]


def taxed(studio, order, rate, tax_cents):
    """The order's one line contains tax."""
    with account_scope(studio.account):
        OrderLine.objects.filter(order=order).update(tax_rate=rate, tax_cents=tax_cents)
        order.tax_cents = tax_cents
        order.save(update_fields=["tax_cents"])


def save(studio, row):
    with account_scope(studio.account):
        row.save()


# -- what is issued


def test_an_invoice_is_over_every_line_and_each_line_is_on_one_document(studio):
    order = studio.sell().order
    change(studio, order, 500, "Fee")

    invoice = issue(studio, order)

    assert (invoice.kind, invoice.number, invoice.net_cents, invoice.tax_cents, invoice.total_cents) == (
        "invoice",
        "INV-00001",
        10500,
        0,
        10500,
    )
    with account_scope(studio.account):
        assert InvoiceLine.objects.filter(invoice=invoice).count() == 2
        assert Event.objects.filter(type="invoice.issued", subject_id=invoice.pk).count() == 1
    with pytest.raises(NothingToInvoice):
        issue(studio, order)
    assert documents(studio) == [("invoice", "INV-00001", 10500)]


def test_a_price_that_went_down_is_a_credit_note_that_corrects_the_last_invoice(studio):
    order = studio.sell().order
    issue(studio, order)
    change(studio, order, 500)
    second = issue(studio, order, NOW + timedelta(minutes=1))
    change(studio, order, -10500)

    credit = issue(studio, order, NOW + timedelta(minutes=2))

    assert documents(studio) == [("invoice", "INV-00001", 10000), ("invoice", "INV-00002", 500), ("credit_note", "CN-00001", -10500)]
    assert credit.corrects_id == second.pk
    assert credit.document["corrects"] == {"number": "INV-00002", "issued_on": "2026-11-21"}
    assert (credit.document["paid_cents"], credit.document["balance_cents"], credit.document["payment"]) == (0, 0, None)
    with account_scope(studio.account):
        assert [one.number for one in CreditNote.objects.all()] == ["CN-00001"]


def test_what_is_taken_back_before_the_invoice_leaves_one_invoice_over_the_rest(studio):
    order = studio.sell().order
    change(studio, order, -4000, "Two sessions voided")

    invoice = issue(studio, order)

    assert (invoice.kind, invoice.total_cents) == ("invoice", 6000)
    assert lines_of(invoice.document)[1] == ("Two sessions voided", -4000, None, 0, -4000)


def test_lines_that_come_to_nothing_wait_for_the_next_document(studio):
    order = studio.sell().order
    change(studio, order, -10000)
    with pytest.raises(NothingToInvoice):
        issue(studio, order)
    change(studio, order, 700, "No-show fee")

    invoice = issue(studio, order)

    assert (invoice.kind, invoice.total_cents) == ("invoice", 700)
    assert [line["gross_cents"] for line in invoice.document["lines"]] == [10000, -10000, 700]


def test_a_change_of_tax_alone_is_a_document_although_its_total_is_zero(studio):
    order = studio.sell().order
    issue(studio, order)
    change(studio, order, 11900, "Food", tax_cents=1900, tax_rate="19")
    change(studio, order, -11900, "Food", tax_cents=-779, tax_rate="7")

    document = issue(studio, order)

    assert (document.kind, document.net_cents, document.tax_cents, document.total_cents) == ("invoice", -1121, 1121, 0)


def test_a_free_order_has_no_invoice(account):
    studio = open_studio(account, price_cents=0)
    sale = studio.sell()
    told(studio, "order.placed", INVOICE_SALE)
    told(studio, "order.paid", INVOICE_SALE)

    with pytest.raises(NothingToInvoice):
        issue(studio, sale.order)
    assert documents(studio) == []


def test_documents_are_append_only_for_the_database_too(studio):
    invoice = issue(studio, studio.sell().order)

    with account_scope(studio.account):
        rows = Invoice.objects.filter(pk=invoice.pk)
        line = InvoiceLine.objects.get(invoice=invoice)
        twice = InvoiceLine(account=studio.account, invoice=invoice, order_line_id=line.order_line_id)
        for write, refusal in (
            (lambda: rows.update(total_cents=1, net_cents=1), "append-only"),
            (lambda: rows._raw_delete("default"), "append-only"),
            (twice.save, "payments_invoiceline_once"),
        ):
            with pytest.raises(IntegrityError, match=refusal), transaction.atomic():
                write()


# -- numbers


def test_a_series_with_the_year_starts_anew_with_the_local_year(studio):
    settings_of(studio, invoice_series="RE-{year}-")
    last_minute = datetime(2026, 12, 31, 22, 59, tzinfo=UTC)  # 23:59 in Berlin

    for at in (last_minute, last_minute + timedelta(minutes=1), last_minute + timedelta(minutes=2)):
        issue(studio, studio.sell().order, at)

    assert [number for _, number, _ in documents(studio)] == ["RE-2026-00001", "RE-2027-00001", "RE-2027-00002"]


def test_both_kinds_may_share_a_series(studio):
    settings_of(studio, credit_note_series="INV-")
    order = studio.sell().order
    issue(studio, order)
    change(studio, order, -1000)
    issue(studio, order)

    assert documents(studio) == [("invoice", "INV-00001", 10000), ("credit_note", "INV-00002", -1000)]


def test_two_series_that_spell_one_number_are_refused_and_leave_no_gap(studio):
    settings_of(studio, invoice_series="A", credit_note_series="B")
    issue(studio, studio.sell().order)
    order = studio.sell().order
    with account_scope(studio.account):  # a series that was in use before: "A0" and five digits less
        Invoice.objects.create(
            account=studio.account, kind="invoice", series="A0", sequence=2, number="A00002", order=order, client=studio.client,
            issued_at=NOW, net_cents=1, tax_cents=0, total_cents=1, currency="EUR", document={},
        )  # fmt: skip

    with pytest.raises(InvoiceNumberTaken):
        issue(studio, order)
    settings_of(studio, invoice_series="C")
    assert issue(studio, order).number == "C00001"


# -- by itself


def test_an_invoice_is_issued_when_the_order_is_paid_and_corrected_when_it_changes(studio):
    sale = studio.sell()
    told(studio, "order.placed", INVOICE_SALE)
    assert documents(studio) == []

    inside(studio, mark_received, sale.payment)
    told(studio, "order.paid", INVOICE_SALE)
    change(studio, sale.order, -2500)
    told(studio, "order.changed", CORRECT_INVOICE)
    change(studio, sale.order, 300)
    told(studio, "order.changed", CORRECT_INVOICE)

    assert documents(studio) == [("invoice", "INV-00001", 10000), ("credit_note", "CN-00001", -2500), ("invoice", "INV-00002", 300)]


def test_an_unpaid_order_is_not_invoiced_by_a_change(studio):
    order = studio.sell().order
    change(studio, order, -2500)
    told(studio, "order.changed", CORRECT_INVOICE)

    assert documents(studio) == []


def test_an_invoice_is_issued_at_the_sale_when_the_account_wants_it(studio):
    settings_of(studio, invoice_when="sale")
    sale = studio.sell()
    told(studio, "order.placed", INVOICE_SALE)
    inside(studio, mark_received, sale.payment)
    told(studio, "order.paid", INVOICE_SALE)

    assert documents(studio) == [("invoice", "INV-00001", 10000)]


def test_nothing_is_issued_by_itself_when_the_account_does_it_by_hand(studio):
    settings_of(studio, invoice_when="manual")
    sale = studio.sell()
    inside(studio, mark_received, sale.payment)
    issue(studio, sale.order)
    change(studio, sale.order, -2500)
    for event, handler in (("order.placed", INVOICE_SALE), ("order.paid", INVOICE_SALE), ("order.changed", CORRECT_INVOICE)):
        told(studio, event, handler)

    assert documents(studio) == [("invoice", "INV-00001", 10000)]


# -- what it says


def test_the_document_says_who_what_when_and_how_much_is_left(studio):
    settings_of(
        studio, invoice_seller="Berlin Studio GmbH\nTorstr. 1\nDE123", invoice_footer="HRB 1", bank_transfer_instructions="IBAN DE89"
    )
    studio.client.full_name, studio.client.email = "Zoë Müller", "zoe@example.com"
    studio.client.billing_address, studio.client.tax_id = "Weg 1\nHamburg", "DE999"
    save(studio, studio.client)
    sale = studio.sell(method="bank_transfer", service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    taxed(studio, sale.order, "19", 798)

    document = issue(studio, sale.order, datetime(2026, 11, 21, 23, 30, tzinfo=UTC)).document

    assert {key: document[key] for key in document if key not in ("labels", "lines", "taxes")} == {
        "version": 1,
        "kind": "invoice",
        "number": "INV-00001",
        "language": "en",
        "issued_on": "2026-11-22",
        "supply": {"from": "2026-11-23", "to": "2026-11-23"},
        "order_number": sale.order.number,
        "corrects": None,
        "seller": {"name": "Berlin Studio", "text": "Berlin Studio GmbH\nTorstr. 1\nDE123"},
        "buyer": {"name": "Zoë Müller", "email": "zoe@example.com", "address": "Weg 1\nHamburg", "tax_id": "DE999"},
        "currency": "EUR",
        "digits": 2,
        "prices_include_tax": True,
        "tax_code": "",
        "tax_note": "",
        "net_cents": 4202,
        "tax_cents": 798,
        "total_cents": 5000,
        "paid_cents": 0,
        "balance_cents": 5000,
        "payment": {"text": "IBAN DE89", "reference": sale.order.number},
        "footer": "HRB 1",
    }
    assert lines_of(document) == [(studio.service.name, 4202, "19", 798, 5000)]
    assert document["taxes"] == [{"tax_rate": "19", "net_cents": 4202, "tax_cents": 798, "gross_cents": 5000}]


def test_tax_is_broken_down_by_rate(studio):
    order = studio.sell().order
    taxed(studio, order, "19.00", 1597)
    change(studio, order, 1070, "Book", tax_cents=70, tax_rate="7.00")
    change(studio, order, 1055, "Drink", tax_cents=55, tax_rate="5.50")
    change(studio, order, -1000, "Back", tax_cents=-160, tax_rate="19.00")
    change(studio, order, 300, "Voucher")

    document = issue(studio, order).document

    assert [(one["tax_rate"], one["net_cents"], one["tax_cents"], one["gross_cents"]) for one in document["taxes"]] == [
        ("19", 7563, 1437, 9000),
        ("7", 1000, 70, 1070),
        ("5.5", 1000, 55, 1055),
        (None, 300, 0, 300),
    ]
    assert (document["net_cents"], document["tax_cents"], document["total_cents"]) == (9863, 1562, 11425)


@pytest.mark.parametrize("code", ["exempt", "reverse_charge"])
@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_the_wording_for_untaxed_supplies_is_in_the_clients_language(studio, code, language):
    customer = become(studio)
    customer.user.language = language
    customer.user.save(update_fields=["language"])
    order = studio.sell().order
    order.tax_code = code
    save(studio, order)

    document = issue(studio, order).document

    assert (document["language"], document["tax_note"], document["labels"]) == (language, LABELS[language][code], LABELS[language])
    assert document["tax_note"]


def test_every_language_has_every_label():
    assert {language: set(labels) for language, labels in LABELS.items()} == {language: set(LABELS["en"]) for language in LABELS}


def test_money_is_counted_towards_the_oldest_document(studio):
    sale = studio.sell()
    inside(studio, mark_received, sale.payment)
    change(studio, sale.order, -4000)
    first = issue(studio, sale.order)
    change(studio, sale.order, 4500)
    second = issue(studio, sale.order)

    assert [(one.document["paid_cents"], one.document["balance_cents"]) for one in (first, second)] == [(6000, 0), (4000, 500)]


def test_the_payer_is_the_buyer(studio):
    payer = studio.other_client()
    order = studio.sell().order
    order.payer = payer
    save(studio, order)

    invoice = issue(studio, order)

    assert (invoice.client_id, invoice.document["buyer"]["name"]) == (payer.pk, payer.full_name)


def test_later_changes_of_client_and_account_do_not_touch_it(studio):
    invoice = issue(studio, studio.sell().order)
    frozen = invoice.document
    studio.client.full_name = "Somebody Else"
    save(studio, studio.client)
    settings_of(studio, invoice_seller="Another GmbH")

    with account_scope(studio.account):
        assert Invoice.objects.get(pk=invoice.pk).document == frozen
