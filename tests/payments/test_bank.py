"""Bank statements: what is read, what a line is found to be, and that nothing counts twice."""

from datetime import date
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from apps.core.errors import Invalid, InvalidTransition, PayloadTooLarge
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.errors import AmountMismatch
from apps.payments.models import BankLine, Payment
from apps.payments.services import cancel_pending_payments, mark_received
from apps.payments.services.bank import Expected, _Known, _named_in, examine, ignore_line, match_line, settle_lines, store_lines
from apps.payments.statements import MAX_BYTES, parse_amount, parse_date, read_statement, safe_cell
from tests.payments.documents import inside
from tests.studio import NOW

HEAD = "Buchungstag;Betrag;Währung;Verwendungszweck;Auftraggeber\n"


def read(text: str | bytes, **options: Any) -> Any:
    return read_statement(text.encode() if isinstance(text, str) else text, **{"currency": "EUR", **options})


def values(statement: Any) -> list[tuple[date, int, str, str]]:
    return [(row.booked_on, row.amount_cents, row.currency, row.text) for row in statement.rows]


def import_file(studio: Any, text: str) -> list[tuple[str, str | None, str]]:
    """Import a file as the door does; (status, reference of its payment, note) of all lines of the account."""
    statement = read(text)
    with account_scope(studio.account), transaction.atomic():
        lines = store_lines(examine(statement.rows))
    settle_lines(studio.account.pk, lines=lines.items(), at=NOW)
    return stored(studio)


def stored(studio: Any) -> list[tuple[str, str | None, str]]:
    with account_scope(studio.account):
        return list(BankLine.objects.order_by("pk").values_list("status", "payment__reference", "note"))


def transfers(studio: Any, count: int = 1) -> list[Payment]:
    """Orders of 50.00 each that are paid by bank transfer."""
    return [studio.sell(method="bank_transfer", service=studio.service).payment for _ in range(count)]


def line(text: str, amount: str = "50,00", day: str = "21.11.2026", currency: str = "EUR") -> str:
    return f"{day};{amount};{currency};{text};Zoë\n"


def state(studio: Any, payment: Payment) -> tuple[str, str, int]:
    with account_scope(studio.account):
        order = Order.objects.get(pk=payment.order_id)
        return Payment.objects.get(pk=payment.pk).status, order.payment_status, order.paid_cents


# -- reading


@pytest.mark.parametrize(
    ("text", "mark", "cents"),
    [
        ("1.234,56", None, 123456),
        ("1,234.56", None, 123456),
        ("-12,00", None, -1200),
        ("12.00-", None, -1200),
        ("−12,00", None, -1200),
        ("(12.00)", None, -1200),
        ("+12", None, 1200),
        ("12,5", None, 1250),
        ("0,07", None, 7),
        ("1.234.567,89", None, 123456789),
        ("1.234.567", None, 123456700),
        ("1 234,56", None, 123456),
        ("1'234.56", None, 123456),
        ("12,00 EUR", None, 1200),
        ("€ 12,00", None, 1200),
        ("1.234", ",", 123400),
        ("1,234", ".", 123400),
        ("0.120", None, 12),
        ("12.340", ".", 1234),
    ],
)
def test_amounts(text, mark, cents):
    assert parse_amount(text, "EUR", mark) == cents


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "1.234",
        "1,234",
        "1.23.4",
        "1,2,3",
        "12,345678",
        "1e5",
        "--1",
        "12,",
        ",5",
        "NaN",
        "\u0663",
        "=1+1",
        "1.234,567",
        "9" * 20,
    ],
)
def test_what_is_no_amount_or_could_be_two_is_refused(text):
    with pytest.raises(ValueError, match=r"amount|decimals|thousands"):
        parse_amount(text, "EUR")


def test_amounts_follow_the_digits_of_their_currency():
    assert parse_amount("1234", "JPY") == 1234
    assert parse_amount("1234,00", "JPY") == 1234
    assert parse_amount("1,2345".replace("5", "") + "0", "KWD", ",") == 1234
    with pytest.raises(ValueError, match="more decimals"):
        parse_amount("12,5", "JPY")


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2026-11-21", "dmy", date(2026, 11, 21)),
        ("2026-11-21T10:00:00Z", "dmy", date(2026, 11, 21)),
        ("21.11.2026", "dmy", date(2026, 11, 21)),
        ("1.2.26", "mdy", date(2026, 2, 1)),
        ("03/04/2026", "dmy", date(2026, 4, 3)),
        ("03/04/2026", "mdy", date(2026, 3, 4)),
    ],
)
def test_dates(text, order, day):
    assert parse_date(text, order) == day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "31.02.2026",
        "2026-13-01",
        "21.11.1700",
        "tomorrow",
        "20261121",
        "13/13/2026",
        "\u0662\u0662.\u0661\u0662.\u0662\u0660\u0662\u0666",
    ],
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match=r"date|year"):
        parse_date(text)


def test_months_come_first_only_when_a_date_of_the_file_proves_it_or_it_is_said():
    head = "Date,Amount\n"
    assert [row.booked_on for row in read(head + "03/04/2026,1.00\n11/21/2026,1.00\n").rows] == [date(2026, 3, 4), date(2026, 11, 21)]
    assert [row.booked_on for row in read(head + "03/04/2026,1.00\n").rows] == [date(2026, 4, 3)]
    assert [row.booked_on for row in read(head + "03/04/2026,1.00\n", date_order="mdy").rows] == [date(2026, 3, 4)]
    mixed = read(head + "21/11/2026,1.00\n11/21/2026,1.00\n")
    assert mixed.rows == []
    assert [error.line for error in mixed.errors] == [2, 3]


@pytest.mark.parametrize(
    "content",
    [
        "Buchungstag;Betrag;Währung;Verwendungszweck;Auftraggeber\n21.11.2026;1.050,00;EUR;Bestellung 000012;Zoë\n".encode("utf-8-sig"),
        "Buchungstag;Betrag;Währung;Verwendungszweck;Auftraggeber\r\n21.11.2026;1.050,00;EUR;Bestellung 000012;Zoë\r\n".encode("latin-1"),
        '"Date","Amount","Currency","Purpose","Name"\n"2026-11-21","1,050.00","EUR","Bestellung 000012","Zoë"\n'.encode(),
        "Fecha operación\tImporte\tDivisa\tConcepto\tOrdenante\n21/11/2026\t1.050,00\tEUR\tBestellung 000012\tZoë\n".encode(),
        "Konto 123;von Zoë\n\nBuchungstag;Betrag (EUR);Verwendungszweck;Name Zahlungsbeteiligter\n21.11.26;1.050,00;Bestellung  000012;Zoë\n".encode(),
        "Date,Amount,Purpose,Name\n2026-11-21,1050,Bestellung 000012,Zoë\n".encode("utf-16"),
    ],
    ids=["german", "latin-1", "english", "spanish", "preamble", "utf-16"],
)
def test_the_same_line_of_six_banks(content):
    statement = read(content)

    assert values(statement) == [(date(2026, 11, 21), 105000, "EUR", "Bestellung 000012 · Zoë")]
    assert statement.errors == []
    assert statement.rows[0].fingerprint == read(HEAD + "21.11.2026;1050,00;EUR;bestellung 000012;zoë\n").rows[0].fingerprint


def test_lines_that_cannot_be_read_say_where_and_why_and_the_others_go_in():
    text = HEAD + line("a") + line("b", day="yesterday") + line("c", "12,xx") + line("d", currency="EURO") + ";;;;\n" + line("e")

    statement = read(text)

    assert [row.text for row in statement.rows] == ["a · Zoë", "e · Zoë"]
    assert [(error.line, error.reason) for error in statement.errors] == [
        (3, "'yesterday' is no date."),
        (4, "'12,xx' is no amount."),
        (5, "'EURO' is no currency."),
    ]


def test_a_quote_that_is_not_closed_does_not_swallow_lines_in_silence():
    statement = read(HEAD + line("a") + '21.11.2026;5,00;EUR;"open;x\n' + line("b"))

    assert [row.text for row in statement.rows] == ["a · Zoë"]
    assert [(error.line, error.reason) for error in statement.errors] == [(3, "A quote is not closed; nothing after it could be read.")]


def test_quoted_cells_hold_separators_and_line_breaks():
    assert values(read(HEAD + '21.11.2026;5,00;EUR;"a;b\nc ""d""";Zoë\n'))[0][3] == 'a;b c "d" · Zoë'


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"%PDF-1.7 ...", b"a;b;c\n1;2;3\n", b"Datum;Text\n21.11.2026;x\n", b'"' * 1000])
def test_what_is_no_statement_is_refused(content):
    with pytest.raises(Invalid) as refused:
        read(content)
    assert list(refused.value.fields or {}) == ["file"]


def test_limits_of_a_file():
    with pytest.raises(PayloadTooLarge):
        read(b"x" * (MAX_BYTES + 1))
    with pytest.raises(Invalid, match="not valid"):
        read("Date;Amount\n" + "2026-11-21;1,00\n" * 50_001)
    assert len(read("Date;Amount\n" + "2026-11-21;1,00\n" * 50_000).rows) == 50_000


def test_cells_of_a_table_are_no_formulas():
    assert [safe_cell(text) for text in ("=HYPERLINK(1)", "+1", "-1", "@x", "a\x1b[31m\tb", "fine")] == [
        "'=HYPERLINK(1)", "'+1", "'-1", "'@x", "a [31m b", "fine",
    ]  # fmt: skip


# -- references


def named(text: str, *references: str) -> list[str]:
    known = _Known(
        {"".join(c for c in one.upper() if c.isalnum()): [Expected(n, one, 1, "EUR", False)] for n, one in enumerate(references)}
    )
    return [one.reference for one in _named_in(text, known)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Order 000012 thanks", ["000012"]),
        ("order:000012.", ["000012"]),
        ("0000 12", ["000012"]),
        ("00-00-12", ["000012"]),
        ("0000123", []),
        ("1000012", []),
        ("X000012", []),
        ("000012-2", ["000012-2"]),
        ("000012 and 000013", ["000012", "000013"]),
        ("re/2026 000 7", ["RE-2026-0007"]),
        ("RE20260007", ["RE-2026-0007"]),
        ("000012, 2 sessions", ["000012"]),
        ("", []),
    ],
)
def test_references_are_whole_words_however_they_are_spaced(text, found):
    assert named(text, "000012", "000013", "000012-2", "RE-2026-0007") == found


# -- matching


def test_a_transfer_with_reference_and_amount_is_taken_in(studio):
    (payment,) = transfers(studio)

    assert import_file(studio, HEAD + line(f"Bestellung {payment.reference}")) == [("matched", payment.reference, "")]
    assert state(studio, payment) == ("succeeded", "paid", 5000)


def test_what_a_line_can_be(studio):
    first, second = transfers(studio, 2)
    text = (
        HEAD
        + line(f"{first.reference}", "49,99")
        + line("no reference")
        + line(f"{second.reference}", "-50,00")
        + line(f"{second.reference}", currency="USD")
        + line(f"{first.reference}0")
    )

    assert import_file(studio, text) == [
        ("mismatch", first.reference, f"Another amount is expected: {first.reference}"),
        ("unmatched", None, ""),
        ("ignored", None, ""),
        ("mismatch", second.reference, f"Another amount is expected: {second.reference}"),
        ("unmatched", None, ""),
    ]
    assert state(studio, first) == state(studio, second) == ("pending", "unpaid", 0)


def test_a_second_transfer_for_one_payment_is_left_for_staff(studio):
    (payment,) = transfers(studio)
    text = HEAD + line(payment.reference) + line(payment.reference)

    found = import_file(studio, text)

    assert found == [
        ("matched", payment.reference, ""),
        ("unmatched", None, f"Another transfer was matched already: {payment.reference}"),
    ]
    assert state(studio, payment) == ("succeeded", "paid", 5000)


def test_the_same_and_an_overlapping_file_change_nothing(studio):
    first, second = transfers(studio, 2)
    one, two, three = line(first.reference), line("rent", "-900,00"), line(second.reference, day="22.11.2026")
    before = import_file(studio, HEAD + one + two)
    assert import_file(studio, HEAD + one + two) == before

    after = import_file(studio, HEAD + two + one + three)

    assert after == [*before, ("matched", second.reference, "")]
    assert state(studio, first) == state(studio, second) == ("succeeded", "paid", 5000)


def test_two_transfers_that_look_the_same_both_count_and_count_once(studio):
    text = HEAD + line("tip") + line("tip")

    for _ in range(2):
        assert import_file(studio, text) == [("unmatched", None, ""), ("unmatched", None, "")]
    assert len(import_file(studio, text + line("tip"))) == 3


def test_a_line_is_settled_when_its_payment_is_expected_later_and_the_file_comes_again(studio):
    text = HEAD + line("000777")
    assert import_file(studio, text) == [("unmatched", None, "")]
    (payment,) = transfers(studio)
    with account_scope(studio.account):
        Payment.objects.filter(pk=payment.pk).update(reference="000777")

    assert import_file(studio, text) == [("matched", "000777", "")]


def test_a_payment_that_was_marked_by_hand_is_the_line_and_is_not_taken_in_again(studio):
    (payment,) = transfers(studio)
    inside(studio, mark_received, payment)

    assert import_file(studio, HEAD + line(payment.reference)) == [("matched", payment.reference, "Was marked as received before.")]
    assert state(studio, payment) == ("succeeded", "paid", 5000)


def test_money_for_a_cancelled_payment_is_late_money(studio):
    (payment,) = transfers(studio)
    with account_scope(studio.account):
        Order.objects.filter(pk=payment.order_id).update(status="cancelled")
    inside(studio, cancel_pending_payments, payment.order)
    assert state(studio, payment)[0] == "cancelled"

    assert import_file(studio, HEAD + line(payment.reference)) == [("matched", payment.reference, "")]
    with account_scope(studio.account):
        assert Payment.objects.get(pk=payment.pk).is_late is True


def test_what_refuses_one_payment_is_noted_and_holds_up_no_other(studio):
    first, second = transfers(studio, 2)
    with account_scope(studio.account):
        Payment.objects.filter(pk=first.pk).update(status="failed")

    found = import_file(studio, HEAD + line(first.reference) + line(second.reference))

    assert found == [
        ("unmatched", None, "This payment has been settled or cancelled already."),
        ("matched", second.reference, ""),
    ]


def test_two_payments_in_one_transfer_are_for_staff_unless_one_has_its_amount(studio):
    first, second = transfers(studio, 2)
    both = f"{first.reference} und {second.reference}"

    found = import_file(studio, HEAD + line(both) + line(both, "100,00"))

    assert found == [
        ("unmatched", None, f"Several payments fit: {first.reference}, {second.reference}"),
        ("unmatched", None, f"Several payments are named, none of this amount: {first.reference}, {second.reference}"),
    ]


def test_a_reference_of_another_account_says_nothing(studio, make_studio):
    (foreign,) = transfers(make_studio())

    assert import_file(studio, HEAD + line(foreign.reference + "X")) == [("unmatched", None, "")]


def test_a_look_at_a_file_writes_nothing_and_says_what_would_happen(studio):
    first, second = transfers(studio, 2)
    rows = read(HEAD + line(first.reference) + line(first.reference) + line(second.reference, "1,00")).rows

    with account_scope(studio.account):
        found = examine(rows)
        assert BankLine.objects.count() == 0

    assert [(one.verdict.status, one.verdict.payment_id, one.is_known) for one in found] == [
        ("matched", first.pk, False),
        ("unmatched", None, False),
        ("mismatch", second.pk, False),
    ]


# -- by hand


def test_staff_match_a_line_with_the_payment_it_is(studio):
    first, second = transfers(studio, 2)
    import_file(studio, HEAD + line("thanks") + line("other", "40,00") + line("rent", "-50,00"))
    with account_scope(studio.account):
        right, other, out = BankLine.objects.order_by("pk")

    with pytest.raises(AmountMismatch) as refused:
        inside(studio, match_line, other, payment=first)
    assert refused.value.extras == {
        "expected_cents": 5000, "expected_currency": "EUR", "received_cents": 4000, "received_currency": "EUR",
    }  # fmt: skip
    with pytest.raises(InvalidTransition):
        inside(studio, match_line, out, payment=first)
    assert inside(studio, match_line, right, payment=first, at=NOW).status == "matched"
    with pytest.raises(InvalidTransition):
        inside(studio, match_line, right, payment=second)

    assert (state(studio, first)[0], state(studio, second)[0]) == ("succeeded", "pending")


def test_a_payment_has_one_line_and_cash_has_none(studio):
    (payment,) = transfers(studio)
    cash = studio.sell(service=studio.service).payment
    import_file(studio, HEAD + line(payment.reference) + line("again"))
    with account_scope(studio.account):
        again = BankLine.objects.get(status="unmatched")

    for taken in (payment, cash):
        with pytest.raises(InvalidTransition):
            inside(studio, match_line, again, payment=taken)
    assert state(studio, payment) == ("succeeded", "paid", 5000)


def test_staff_set_a_line_aside_once_and_may_still_match_it(studio):
    import_file(studio, HEAD + line("private"))
    (payment,) = transfers(studio)
    with account_scope(studio.account):
        one = BankLine.objects.get()

    inside(studio, ignore_line, one, reason="Private money")
    with pytest.raises(InvalidTransition):
        inside(studio, ignore_line, one, reason="Twice")
    assert stored(studio) == [("ignored", None, "Private money")]
    assert import_file(studio, HEAD + line("private")) == [("ignored", None, "Private money")]
    inside(studio, match_line, one, payment=payment)
    assert stored(studio) == [("matched", payment.reference, "")]


# -- the command


def test_the_command_looks_first_and_imports_when_told(studio, tmp_path):
    (payment,) = transfers(studio)
    file = tmp_path / "statement.csv"
    file.write_text(HEAD + line(payment.reference) + line("=HYPERLINK(1)", "-5,00"))

    def run(*options: str) -> str:
        out = StringIO()
        call_command("import_bank_statement", str(file), "--account", studio.account.slug, *options, stdout=out)
        return out.getvalue()

    assert "Nothing was changed. To be imported: 2 new lines of 2 (1 ignored, 1 matched). Not readable: 0." in run()
    assert stored(studio) == []
    said = run("--apply")
    assert "Imported: 2 new lines of 2" in said
    assert "\t'=HYPERLINK(1) · Zoë\t" in said
    assert "Imported: 0 new lines of 2" in run("--apply")
    assert state(studio, payment) == ("succeeded", "paid", 5000)


def test_the_command_says_what_is_wrong(studio, tmp_path):
    file = tmp_path / "statement.csv"
    for content, options, said in (
        (None, [studio.account.slug], "cannot be read"),
        ("x;y\n1;2\n", [studio.account.slug], "No header"),
        (HEAD, ["nobody"], "no open account"),
        (HEAD + line("a", "x"), [studio.account.slug], "could not be read"),
    ):
        if content is not None:
            file.write_text(content)
        with pytest.raises(CommandError, match=said):
            call_command("import_bank_statement", str(file), "--account", *options, stdout=StringIO())
