"""Bank statements and their lines over HTTP."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import MULTIPART_CONTENT

from tests.payments.test_bank import HEAD, import_file, line, state, stored, transfers
from tests.studio import open_studio

STATEMENTS, LINES = "/api/bank-statements/", "/api/bank-lines/"


def send(client, text, **fields):
    file = SimpleUploadedFile("statement.csv", text.encode() if isinstance(text, str) else text)
    return client.post(STATEMENTS, {"file": file, **fields}, MULTIPART_CONTENT)


def answered(response):
    assert response.status_code == 200, response.content
    return response.json()


def test_a_preview_writes_nothing_and_an_import_does_what_it_said(studio, owner):
    first, second = transfers(studio, 2)
    text = HEAD + line(first.reference) + line(second.reference, "49,00") + line("rent", "-9,00") + line("?") + line("bad", "x")
    counts = {"matched": 1, "unmatched": 1, "mismatch": 1, "ignored": 1, "known": 0, "unreadable": 1}

    preview = answered(send(owner, text))

    assert (preview["committed"], preview["counts"], stored(studio)) == (False, counts, [])
    assert preview["unreadable"] == [{"line": 6, "reason": "'x' is no amount."}]
    assert preview["lines"][0] == {
        "line": 2,
        "is_known": False,
        "booked_on": "2026-11-21",
        "amount_cents": 5000,
        "currency": "EUR",
        "text": f"{first.reference} · Zoë",
        "status": "matched",
        "note": "",
        "payment": first.pk,
    }
    assert state(studio, first)[0] == "pending"

    done = answered(send(owner, text, commit="true"))

    assert done == {**preview, "committed": True}
    assert (state(studio, first), state(studio, second)[0]) == (("succeeded", "paid", 5000), "pending")


def test_the_same_file_again_counts_nothing_twice(studio, owner):
    (payment,) = transfers(studio)
    text = HEAD + line(payment.reference) + line("?")
    answered(send(owner, text, commit="true"))
    before = stored(studio)

    for commit in ("true", "false"):
        again = answered(send(owner, text, commit=commit))
        assert again["counts"] == {"matched": 1, "unmatched": 1, "mismatch": 0, "ignored": 0, "known": 2, "unreadable": 0}
    assert stored(studio) == before
    assert state(studio, payment) == ("succeeded", "paid", 5000)


@pytest.mark.parametrize(
    ("content", "fields", "field"),
    [
        ("x;y\n1;2\n", {}, "file"),
        (b"\xff\xfe", {}, "file"),
        (HEAD, {"commit": "maybe"}, "commit"),
        (HEAD, {"date_order": "ymd"}, "date_order"),
        (HEAD, {"account": "1"}, "account"),
    ],
)
def test_bad_statements(studio, owner, content, fields, field):
    answer = send(owner, content, **fields)

    assert answer.status_code == 400, answer.content
    assert list(answer.json()["fields"]) == [field]


def test_a_file_that_is_too_large_or_missing(studio, owner):
    assert send(owner, b"x" * 10_000_001).status_code == 413
    assert owner.post(STATEMENTS, {}, MULTIPART_CONTENT).json()["fields"] == {"file": ["No file was submitted."]}
    assert owner.post(STATEMENTS, {"file": "x"}).status_code == 415


def test_the_order_of_dates_can_be_said(studio, owner):
    text = "Date,Amount,Purpose\n03/04/2026,1.00,x\n"

    assert answered(send(owner, text))["lines"][0]["booked_on"] == "2026-04-03"
    assert answered(send(owner, text, date_order="mdy"))["lines"][0]["booked_on"] == "2026-03-04"


def test_staff_see_both_amounts_and_match_or_ignore(studio, owner):
    first, second = transfers(studio, 2)
    import_file(studio, HEAD + line(first.reference, "49,00") + line("thanks") + line("private"))
    mismatch, thanks, private = answered(owner.get(f"{LINES}?ordering=id"))["results"]

    assert (mismatch["status"], mismatch["amount_cents"], mismatch["payment_amount_cents"], mismatch["payment"]) == (
        "mismatch",
        4900,
        5000,
        first.pk,
    )
    assert (mismatch["payment_reference"], mismatch["order"], mismatch["order_number"]) == (
        first.reference,
        first.order_id,
        first.order.number,
    )
    refused = owner.post(f"{LINES}{mismatch['id']}/match/", {"payment": first.pk})
    assert (refused.status_code, refused.json()["error"]) == (409, "amount_mismatch")
    assert (refused.json()["expected_cents"], refused.json()["received_cents"]) == (5000, 4900)

    matched = answered(owner.post(f"{LINES}{thanks['id']}/match/", {"payment": second.pk}))
    assert (matched["status"], matched["payment"], matched["allowed_actions"]) == ("matched", second.pk, [])
    assert state(studio, second) == ("succeeded", "paid", 5000)
    ignored = answered(owner.post(f"{LINES}{private['id']}/ignore/", {"reason": "Mine"}))
    assert (ignored["status"], ignored["note"], ignored["allowed_actions"]) == ("ignored", "Mine", ["match"])
    again = owner.post(f"{LINES}{private['id']}/ignore/", {"reason": "Mine"})
    assert (again.status_code, again.json()["error"], again.json()["allowed_actions"]) == (409, "invalid_transition", ["match"])


def test_bad_matches(studio, owner, other_account):
    (foreign,) = transfers(open_studio(other_account))
    import_file(studio, HEAD + line("thanks"))
    one = answered(owner.get(LINES))["results"][0]["id"]

    for body in ({}, {"payment": foreign.pk}, {"payment": "x"}, {"payment": 1, "amount_cents": 1}):
        assert owner.post(f"{LINES}{one}/match/", body).status_code == 400, body
    for body in ({}, {"reason": ""}, {"reason": "x" * 256}):
        assert owner.post(f"{LINES}{one}/ignore/", body).status_code == 400, body
    assert stored(studio) == [("unmatched", None, "")]


def test_filters(studio, owner):
    (payment,) = transfers(studio)
    import_file(studio, HEAD + line(payment.reference) + line("later", day="25.11.2026"))

    for query, count in (
        ("status=matched", 1),
        (f"payment={payment.pk}", 1),
        ("from=2026-11-22", 1),
        ("to=2026-11-21", 0),
        ("search=later", 1),
    ):
        assert len(answered(owner.get(f"{LINES}?{query}"))["results"]) == count, query


@pytest.mark.parametrize(
    ("role", "status"),
    [("owner", 200), ("manager", 200), ("front_desk", 200), ("bookkeeper", 200), ("practitioner", 403), (None, 401)],
)
def test_who_may_import(studio, client_as, role, status):
    assert send(client_as(role), HEAD + line("x"), commit="true").status_code == status
    assert client_as(role).get(LINES).status_code == status
    assert len(stored(studio)) == (1 if status == 200 else 0)


def test_lists_and_previews_take_a_fixed_number_of_statements(studio, owner, statements):
    payments = transfers(studio, 3)
    made, looked = {}, {}
    for count in (1, 3):
        text = HEAD + "".join(line(payment.reference) for payment in payments[:count])
        with statements() as done:
            assert answered(send(owner, text))["counts"]["matched"] == count
        looked[count] = len(done())
        import_file(studio, text)
        with statements() as done:
            assert len(answered(owner.get(LINES))["results"]) == count
        made[count] = len(done())

    assert made[1] == made[3]
    assert looked[1] == looked[3]
    assert made[3] <= 4
