"""Bodies over the limit, sent over a real connection to the server that serves us: an answer, and no reset.

Django's own live server would not do: it reads what is left of every request by itself.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
LIMIT = settings.MAX_BODY_BYTES
PATH = "/api/packages/"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[str, int]]:
    """granian as ``manage.py serve`` starts it, on a free port. No request here gets as far as the database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host, port = free.getsockname()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as written:
        process = subprocess.Popen([*command, "config.wsgi:application"], cwd=ROOT, env=environment, stdout=written, stderr=written)
    try:
        _wait_until_it_listens(process, host, port, log)
        yield host, port
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_it_listens(process: subprocess.Popen, host: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection((host, port), timeout=1) as peer:
                peer.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                if b"200" in peer.recv(64):
                    return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server does not listen:\n{log.read_text()}")


def _send(server: tuple[str, int], body: bytes, content_type: str = "application/json") -> tuple[int, dict]:
    """One request, sent to its last byte before anything is read; the whole answer."""
    connection = HTTPConnection(*server, timeout=30)
    with closing(connection):
        connection.request("POST", PATH, body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.mark.parametrize("size", [LIMIT + 1, 5 * LIMIT, 20 * LIMIT])
def test_a_body_over_the_limit_gets_its_answer(server, size):
    status, body = _send(server, b"x" * size)

    assert (status, body["error"]) == (413, "payload_too_large")
    assert body["message"] == f"The request body is larger than {LIMIT} bytes."
    assert body["request_id"]


def test_an_upload_over_its_own_limit_gets_its_answer(server):
    status, body = _send(server, b"x" * (settings.MAX_UPLOAD_BYTES + 1), "multipart/form-data; boundary=b")

    assert (status, body["error"]) == (413, "payload_too_large")


def test_a_body_at_the_limit_is_let_through(server):
    status, body = _send(server, b" " * LIMIT)

    assert (status, body["error"]) == (401, "not_authenticated")


def _send_chunked(server: tuple[str, int], *chunks: bytes, token: str = "") -> tuple[int, dict]:
    connection = HTTPConnection(*server, timeout=30)
    with closing(connection):
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        connection.request("POST", "/_allauth/app/v1/auth/login", iter(chunks), headers, encode_chunked=True)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_a_chunked_body_is_read(server):
    status, body = _send_chunked(server, b'{"email": "nobody', b'", "password": 5}')

    assert status == 400
    assert {error["param"] for error in body["errors"]} == {"email"}  # it has been read: the address is what is wrong


def test_a_chunked_body_over_the_limit_gets_its_answer(server):
    status, body = _send_chunked(server, *[b"x" * 100_000] * 30)

    assert (status, body["error"]) == (413, "payload_too_large")
