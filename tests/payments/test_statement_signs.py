"""What a bank statement leaves to its reader: in which direction money went, and which number of a date is the month."""

from datetime import date

import pytest

from apps.payments.statements import read_statement


def read(*lines, **options):
    return read_statement("\n".join(lines).encode(), currency="EUR", **options)


@pytest.mark.parametrize("header", ["Soll/Haben", "S/H", "Dr/Cr", "Debit/Credit Indicator", "Debe/Haber"])
@pytest.mark.parametrize(("word", "cents"), [("S", -5950), ("H", 5950), ("D", -5950), ("CR", 5950), ("Credit", 5950), ("debit", -5950)])
def test_a_column_of_debit_and_credit_is_the_sign(header, word, cents):
    statement = read(f"Datum;Verwendungszweck;Umsatz;{header}", f"21.11.2026;000125;59,50;{word}")

    assert [row.amount_cents for row in statement.rows] == [cents]


def test_an_amount_that_has_its_sign_already_keeps_it():
    assert [row.amount_cents for row in read("Datum;Umsatz;S/H", "21.11.2026;-59,50;S").rows] == [-5950]


@pytest.mark.parametrize("word", ["", "x", "0"])
def test_a_direction_that_cannot_be_read_is_an_error(word):
    statement = read("Datum;Umsatz;S/H", f"21.11.2026;59,50;{word}")

    assert (statement.rows, len(statement.errors)) == ([], 1)


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        (["11/05/2026"], {"country": "US"}, [date(2026, 11, 5)]),
        (["11/05/2026"], {"country": "GB"}, [date(2026, 5, 11)]),
        (["11/05/2026", "21/11/2026"], {"country": "US"}, [date(2026, 5, 11), date(2026, 11, 21)]),
        (["11/05/2026"], {"country": "US", "date_order": "dmy"}, [date(2026, 5, 11)]),
    ],
)
def test_dates_are_read_as_is_said_as_the_file_shows_or_as_the_country_writes_them(lines, options, expected):
    statement = read("Date,Amount", *(f"{day},1.00" for day in lines), **options)

    assert [row.booked_on for row in statement.rows] == expected
