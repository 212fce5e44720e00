"""One error shape, whatever goes wrong: nothing of ours leaks, and the request id is always there."""

import json
import re

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from apps.core.errors import all_error_types
from factories.accounts import MembershipFactory, token_for
from tests.conftest import ApiClient
from tests.core import probe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("probe")]

ECHO = "/api/faults/echo/"
LIMIT = settings.MAX_BODY_BYTES


@pytest.fixture
def client(account):
    return ApiClient(token_for(MembershipFactory(account=account).user))


def post(client, raw: bytes, content_type: str = "application/json", path: str = ECHO, **headers):
    return client.generic("POST", path, raw, content_type, **headers)


def envelope(response, status, code) -> dict:
    """The body, after checking everything that all errors have in common."""
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json"), response.content
    body = json.loads(response.content)
    assert body["error"] == code, body
    assert body["message"].strip()
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert set(body) <= {"error", "message", "fields", "request_id"}, body
    assert all(text not in response.content for text in (b"Traceback", b"SELECT", b"psycopg", b'File "'))
    return body


# -- addresses and methods


@pytest.mark.parametrize(
    "path", ["/", "/nothing/", "/api/", "/api/nothing/", "/api/nothing", "/api/public/", "/api/customer/x/", "/%00", "/é/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_is_not_found(client, path, method):
    envelope(client.generic(method, path), 404, "not_found")


def test_an_unknown_address_is_not_found_to_anybody():
    envelope(ApiClient().get("/api/nothing/"), 404, "not_found")


def test_an_unknown_object_is_not_found(client):
    assert envelope(client.get("/api/packages/999999/"), 404, "not_found")["message"] == "Not found."


def test_a_method_that_is_not_there_is_refused_with_the_ones_that_are(client):
    response = client.put("/api/packages/")

    envelope(response, 405, "method_not_allowed")
    assert sorted(response.headers["Allow"].split(", ")) == ["GET", "HEAD", "OPTIONS", "POST"]


def test_a_method_that_http_does_not_know_is_refused(client):
    envelope(client.generic("BREW", "/api/packages/"), 405, "method_not_allowed")


def test_options_says_nothing_about_the_inside(client):
    response = client.options("/api/packages/")

    assert (response.status_code, response.content) == (204, b"")


def test_the_trailing_slash_may_be_left_out(client):
    assert client.get("/api/packages").status_code == 200
    assert client.generic("POST", "/api/packages", b'{"package_name": "x"}', "application/json").status_code == 201


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "text/csv", "application/json; charset=utf-16"])
def test_an_answer_that_is_not_json_is_not_acceptable(client, accept):
    response = client.get("/api/packages/", headers={"Accept": accept})

    if accept.startswith("application/json"):
        assert response.status_code == 200
    else:
        envelope(response, 406, "not_acceptable")


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, */*;q=0.8", ""])
def test_everybody_else_gets_json(client, accept):
    assert client.get("/api/packages/", headers={"Accept": accept}).headers["Content-Type"] == "application/json"


def test_the_format_suffix_and_override_of_drf_do_nothing(client):
    assert client.get("/api/packages/?format=api").status_code == 400
    assert client.get("/api/packages.json").status_code == 404
    response = client.generic("POST", "/api/packages/999/", b"{}", "application/json", headers={"X-HTTP-Method-Override": "DELETE"})
    envelope(response, 405, "method_not_allowed")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "json"]
)
def test_a_body_that_is_not_json_is_refused_by_its_type(client, content_type):
    envelope(post(client, b'{"a": 1}', content_type), 415, "unsupported_media_type")


# -- bodies

MALFORMED = {
    "empty object key": b'{"": ',
    "nothing but a brace": b"{",
    "100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "2,000 deep": b"[" * 2_000 + b"]" * 2_000,
    "2,000 deep in objects": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    "33 deep": b"[" * 33 + b"1" + b"]" * 33,
    "never closed": b"[" * 100_000,
    "NUL in a value": rb'{"a": "b\u0000c"}',
    "NUL in a key": rb'{"b\u0000c": 1}',
    "NUL deep inside": rb'{"a": [{"b": ["\u0000"]}]}',
    "raw NUL": b'{"a": "\0"}',
    "lone high surrogate": rb'{"a": "\ud800"}',
    "lone low surrogate": rb'{"a": "\udc00"}',
    "lone surrogate in a key": rb'{"\ud800": 1}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "too many items": b"[" + b"1," * 10_000 + b"1]",
    "single quotes": b"{'a': 1}",
    "trailing comma": b'{"a": 1,}',
    "comment": b'{"a": 1} // b',
    "two values": b"{} {}",
    "Latin-1": b'{"a": "\xe9"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "overlong": b'{"a": "\xc0\x80"}',
    "leading zero": b'{"a": 01}',
    "plus sign": b'{"a": +1}',
    "Arabic digits": '{"a": ١٢}'.encode(),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_body_is_refused(client, name):
    envelope(post(client, MALFORMED[name]), 400, "malformed_json")


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "nonsense", "utf-7", ""])
def test_a_charset_other_than_utf_8_is_refused(client, charset):
    response = post(client, b'{"a": 1}', f"application/json; charset={charset}")

    assert response.status_code in (400, 415)
    envelope(response, response.status_code, json.loads(response.content)["error"])


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8"])
def test_utf_8_may_be_named(client, charset):
    assert post(client, b'{"a": 1}', f"application/json; charset={charset}").json()["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),  # a byte order mark is skipped
        (b'{"a": 1, "a": 2}', {"a": 2}),  # the last of duplicate keys counts (RFC 8259 leaves it open)
        (rb'{"a": "\ud83d\ude00"}', {"a": "😀"}),
        (b"[" * 32 + b"]" * 32, None),
        (b'{"a": 123456789012345678901234567890}', {"a": 1.2345678901234568e29}),
        (b'{"a": 1e2}', {"a": 100.0}),
        (b' \r\n\t{"a":1}\n', {"a": 1}),
    ],
)
def test_unusual_json_is_read_as_documented(client, raw, data):
    response = post(client, raw)

    assert response.status_code == 200
    if data is not None:
        assert response.json()["data"] == data


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"1", b"null", b"true", b"[{}]"])
def test_the_wrong_type_at_the_top_is_refused(client, raw):
    response = post(client, raw, path="/api/packages/")

    envelope(response, 400, "validation_error")


@pytest.mark.parametrize(
    "raw",
    [
        b"1" + b"0" * 40, b"1" + b"0" * 5000, b"9223372036854775808", b"-9223372036854775809", b"-1", b"1e400", b"1e308", b"1.5", b"-0.0",
        b'"1e2"', '"١٢"'.encode(), b'"' + b"9" * 5000 + b'"', b'""', b'" 1"', b"true", b"null", b"[]", b"{}",
    ],
    ids=lambda raw: raw[:12],
)  # fmt: skip
def test_numbers_out_of_range_are_refused_where_a_number_belongs(client, raw):
    response = post(client, b'{"package_name": "x", "price_cents": ' + raw + b"}", path="/api/packages/")

    assert response.status_code == 400, response.content
    if raw not in (b"1e400", b"1" + b"0" * 5000):  # no numbers that a double can hold: malformed already
        assert "price_cents" in envelope(response, 400, "validation_error")["fields"]


def test_an_unknown_key_is_named(client):
    body = envelope(client.post("/api/packages/", {"package_name": "x", "colour": "red"}), 400, "unknown_field")

    assert body["fields"] == {"colour": ["This field does not exist or cannot be written."]}


def test_a_mixture_of_wrong_fields_is_a_validation_error_with_all_of_them(client):
    body = envelope(client.post("/api/packages/", {"price_cents": "x", "valid_days": "y"}), 400, "validation_error")

    assert sorted(body["fields"]) == ["package_name", "price_cents", "valid_days"]


# -- size


def _body_of(size: int) -> bytes:
    return b'{"a": "' + b"x" * (size - 9) + b'"}'


def test_a_body_at_the_limit_is_read(client):
    assert len(_body_of(LIMIT)) == LIMIT
    assert post(client, _body_of(LIMIT)).status_code == 200


@pytest.mark.parametrize("path", [ECHO, "/api/packages/", "/api/nothing/", "/api/probe/"])
def test_a_body_over_the_limit_is_too_large(client, path):
    envelope(post(client, _body_of(LIMIT + 1), path=path), 413, "payload_too_large")


def test_a_body_over_the_limit_is_too_large_under_an_idempotency_key(client):
    envelope(post(client, _body_of(LIMIT + 1), path="/api/probe/", headers={"Idempotency-Key": "k"}), 413, "payload_too_large")


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", ""])
def test_a_lie_about_the_length_is_no_server_error(client, length):
    response = client.generic("POST", ECHO, b'{"a": 1}', "application/json", CONTENT_LENGTH=length)

    assert response.status_code in (200, 400, 413)


# -- our own faults


@pytest.mark.parametrize("path", ["/api/faults/broken/", "/api/faults/unserialisable/", "/outside/"])
def test_a_fault_of_ours_says_nothing_about_itself(client, path):
    response = client.get(path)

    body = envelope(response, 500, "server_error")
    assert body["message"] == "Something went wrong on our side. Nothing was changed."
    assert probe.SECRET.encode() not in response.content


def test_a_statement_that_takes_too_long_is_busy(client):
    response = client.get("/api/faults/slow/")

    envelope(response, 503, "busy")
    assert response.headers["Retry-After"] == "1"


def test_a_lock_that_is_not_granted_is_busy(client):
    elsewhere = connection.get_connection_params()
    with psycopg.connect(**{key: elsewhere[key] for key in ("dbname", "user", "host", "port", "password") if elsewhere.get(key)}) as other:
        other.execute("SELECT pg_advisory_xact_lock(4711)")
        response = client.get("/api/faults/locked/")

    envelope(response, 503, "busy")
    assert response.headers["Retry-After"] == "1"
    assert client.get("/api/faults/locked/").status_code == 200


# -- credentials and ids


@pytest.mark.parametrize(
    "header",
    [
        "Token",
        "Token ",
        "Token a b",
        "Token " + "0" * 64,
        "Token \xe9",
        "Bearer x",
        "Basic eDp4",
        "Token " + "x" * 5000,
        "token",
        "Token \x00",
    ],
)
def test_a_credential_that_is_none_is_refused(db, header):
    response = ApiClient().get("/api/packages/", headers={"Authorization": header})

    envelope(response, 401, "not_authenticated")
    assert response.headers["WWW-Authenticate"] == "Token"


def test_a_token_in_the_query_is_no_credential(account):
    token = token_for(MembershipFactory(account=account).user)

    envelope(ApiClient().get(f"/api/packages/?token={token}"), 401, "not_authenticated")


@pytest.mark.parametrize("offered", ["abcdefgh", "0f" * 16, "a.b-c_d.e", "x" * 64])
def test_a_request_id_of_a_proxy_is_kept(client, offered):
    for path, status in (("/api/packages/", 200), ("/api/nothing/", 404), ("/outside/", 500)):
        response = client.get(path, headers={"X-Request-ID": offered})
        assert (response.status_code, response.headers["X-Request-ID"]) == (status, offered)


@pytest.mark.parametrize("offered", ["", "short", "x" * 65, "with space in", "a\r\nSet-Cookie: x", "<script>alert(1)</script>", "é" * 10])
def test_a_request_id_that_is_none_is_replaced(client, offered):
    response = client.get("/api/packages/", headers={"X-Request-ID": offered})

    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])


def test_every_request_has_an_id_of_its_own(client):
    assert len({client.get("/api/packages/").headers["X-Request-ID"] for _ in range(5)}) == 5


# -- the list of codes


def test_the_codes_are_words_with_one_status_each():
    for error in all_error_types():
        assert re.fullmatch(r"[a-z][a-z_]{2,40}", error.code), error
        assert 400 <= error.status < 600, error
        assert error.default_message.endswith("."), error
    by_code = {}
    for error in _every_error():
        assert by_code.setdefault(error.code, error.status) == error.status, error


def _every_error(of=None):
    from apps.core.errors import DomainError  # noqa: PLC0415  only its subclasses are of interest

    for error in (of or DomainError).__subclasses__():
        yield error
        yield from _every_error(error)
