"""The client for addresses that users give us: what it refuses, what it connects to, and when it gives up (security.md T20)."""

import datetime as dt
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import transaction

from apps.core import outbound
from apps.core.outbound import Answer, OutboundFailed, OutboundRefused, checked_url, fetch, is_public
from tests.core.door import OK, Door, saying, served

PUBLIC = "93.184.215.14"


@pytest.fixture
def allow(settings: Any) -> Callable[..., None]:
    def let(*hosts: str) -> None:
        settings.OUTBOUND_ALLOWED_HOSTS = list(hosts)

    return let


def test_a_machine_without_a_socket_left_cannot_reach_anybody(allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*args: Any, **kwargs: Any) -> Any:
        raise OSError(24, "Too many open files")

    allow("127.0.0.1:*")
    monkeypatch.setattr(outbound.socket, "socket", none_left)

    with pytest.raises(OutboundFailed) as failed:
        fetch("GET", "http://127.0.0.1:9/", headers={})
    assert failed.value.code == "unreachable"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """``names(host, ["a"], ["b", "c"])``: the system's resolver says a the first time, then b and c; the rest it really asks."""
    real = socket.getaddrinfo
    told: dict[str, list[list[str]]] = {}
    asked: list[str] = []

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in told:
            return real(host, port, *args, **kwargs)
        asked.append(name)
        answers = told[name]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (text, port, 0, 0))
            if ":" in text
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    def tell(host: str, *answers: list[str]) -> list[str]:
        told[host] = list(answers)
        return asked

    return tell


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(OutboundRefused) as caught:
        call()
    return caught.value.code


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(OutboundFailed) as caught:
        call()
    return caught.value.code


NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104  an address to refuse
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:808:808::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:c0a8:101::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_of_our_own_network_is_refused_as_a_literal_and_as_what_a_name_means(address, names):
    literal = f"[{address}]" if ":" in address else address
    names("hooks.example", [address])

    assert not is_public(ip_address(address))
    assert refusal(lambda: checked_url(f"http://{literal}/")) == "address_not_public"
    assert refusal(lambda: fetch("GET", "http://hooks.example/", timeout=2)) == "address_not_public"


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", PUBLIC, "172.32.0.1", "2606:4700::1", "2a00:1450::1", "64:ff9b::808:808"],
)
def test_an_address_of_the_open_internet_is_not_refused(address):
    literal = f"[{address}]" if ":" in address else address

    assert is_public(ip_address(address))
    assert checked_url(f"https://{literal}/").raw_host.decode() == address


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.com/", "scheme_not_allowed"),
        ("file:///etc/passwd", "scheme_not_allowed"),
        ("gopher://example.com/", "scheme_not_allowed"),
        ("//example.com/", "scheme_not_allowed"),
        ("example.com", "scheme_not_allowed"),
        ("", "scheme_not_allowed"),
        ("http://", "malformed_url"),
        ("http:///x", "malformed_url"),
        ("http://user@example.com/", "credentials_in_url"),
        ("http://user:pass@example.com/", "credentials_in_url"),
        ("http://example.com:pw@127.0.0.1/", "credentials_in_url"),
        ("http://example.com:8080/", "port_not_allowed"),
        ("http://example.com:22/", "port_not_allowed"),
        ("https://example.com:5432/", "port_not_allowed"),
        ("http://example.com:99999/", "port_not_allowed"),
        ("http://example.com:x/", "malformed_url"),
        ("http://exa mple.com/", "malformed_url"),
        ("http://example.com/\r\nX: y", "malformed_url"),
        ("http://example.com\\@127.0.0.1/", "malformed_url"),
        ("http://[::1", "malformed_url"),
        ("http://[nonsense]/", "malformed_url"),
        ("http://2130706433/", "malformed_url"),
        ("http://017700000001/", "malformed_url"),
        ("http://0x7f000001/", "malformed_url"),
        ("http://0x7f.0.0.1/", "malformed_url"),
        ("http://0177.0.0.1/", "malformed_url"),
        ("http://127.1/", "malformed_url"),
        ("http://134744072/", "malformed_url"),
        ("http://1.2.3.4.5/", "malformed_url"),
        ("http://999.1.1.1/", "malformed_url"),
        ("http://localhost/", "address_not_public"),
        ("http://LOCALHOST./", "address_not_public"),
        ("http://a.localhost/", "address_not_public"),
        ("http://metadata.google.internal/", "address_not_public"),
        ("http://printer.local/", "address_not_public"),
        ("http://" + "a" * 3000 + ".com/", "malformed_url"),
    ],
)
def test_an_address_that_cannot_be_meant_well_is_refused_before_anything_is_resolved(url, code, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("resolved"))

    assert refusal(lambda: checked_url(url)) == code
    assert refusal(lambda: fetch("GET", url)) == code


def test_a_name_with_one_private_address_among_several_is_refused(names):
    names("mixed.example", [PUBLIC, "2606:4700::1", "192.168.0.10", "1.1.1.1"])

    assert refusal(lambda: fetch("GET", "https://mixed.example/", timeout=2)) == "address_not_public"


def test_a_name_that_changes_its_mind_gains_nothing(names, allow, monkeypatch):
    """The name is asked once. Who checks and then calls by name reaches our own network: the control."""
    with served(OK) as door:
        asked = names("rebind.example", [PUBLIC], ["127.0.0.1"])
        connected: list[Any] = []

        def noting(real: Callable[..., Any]) -> Callable[..., Any]:
            def connect(self: socket.socket, address: Any) -> Any:
                """The open internet, in this test, is the door: whoever goes there is noted and sent on."""
                connected.append(address)
                return real(self, ("127.0.0.1", door.port) if address[0] == PUBLIC else address)

            return connect

        for name in ("connect", "connect_ex"):
            monkeypatch.setattr(socket.socket, name, noting(getattr(socket.socket, name)))

        answer = fetch("GET", "http://rebind.example/hook", timeout=5)

        assert (answer.status, answer.body, asked) == (200, b"hi", ["rebind.example"])
        assert connected == [(PUBLIC, 80)]
        assert b"host: rebind.example\r\n" in door.heard[0].lower()

        asked.clear()
        names("rebind.example", [PUBLIC], ["127.0.0.1"])
        checked = socket.getaddrinfo("rebind.example", door.port)
        assert all(is_public(ip_address(info[4][0])) for info in checked)
        assert httpx.get(f"http://rebind.example:{door.port}/hook", trust_env=False).text == "hi"
        assert connected[1:] == [("127.0.0.1", door.port)]


def test_only_named_hosts_of_our_own_network_may_be_called(allow, names):
    with served(OK) as door, served(OK) as other:
        allow(f"127.0.0.1:{door.port}", f"named.example:{door.port}")
        names("named.example", ["127.0.0.1"])

        answer = fetch("POST", f"http://127.0.0.1:{door.port}/a?b=c", headers={"X-Mine": "1"}, content=b"body")

        assert answer == Answer(200, {"content-length": "2", "x-word": "yes"}, b"hi")
        head, _, body = door.heard[0].partition(b"\r\n\r\n")
        assert head.split(b"\r\n")[0] == b"POST /a?b=c HTTP/1.1"
        assert sorted(head.lower().split(b"\r\n")[1:]) == sorted(
            [
                f"host: 127.0.0.1:{door.port}".encode(),
                b"user-agent: clientele/1.0",
                b"accept-encoding: identity",
                b"connection: close",
                b"x-mine: 1",
                b"content-length: 4",
            ]
        )
        assert body == b"body"
        assert fetch("GET", f"http://named.example:{door.port}/").status == 200
        assert refusal(lambda: fetch("GET", f"http://127.0.0.1:{other.port}/")) == "port_not_allowed"
        assert refusal(lambda: fetch("GET", f"http://127.0.0.2:{door.port}/")) == "port_not_allowed"
        assert other.heard == []
        allow("127.0.0.1:*")
        assert fetch("GET", f"http://127.0.0.1:{other.port}/").status == 200


def test_a_proxy_of_the_environment_is_not_used(allow, monkeypatch):
    with served(OK) as door, served(OK) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        allow(f"127.0.0.1:{door.port}")

        fetch("GET", f"http://127.0.0.1:{door.port}/")

        assert (len(door.heard), len(proxy.heard)) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status, allow):
    with served(OK) as inside:
        moved = saying(f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n")
        with served(moved) as door:
            allow(f"127.0.0.1:{door.port}", f"127.0.0.1:{inside.port}")

            answer = fetch("POST", f"http://127.0.0.1:{door.port}/", content=b"x")

            assert (answer.status, answer.headers["location"]) == (status, f"http://127.0.0.1:{inside.port}/")
            assert inside.heard == []


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked", "X-Nothing: said"])
def test_a_body_is_read_up_to_the_limit_and_not_a_byte_further(framing, allow):
    body = "1f4\r\n" + "a" * 500 + "\r\n1f4\r\n" + "a" * 500 + "\r\n0\r\n\r\n" if "chunked" in framing else "a" * 1000
    with served(saying(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}")) as door:
        allow(f"127.0.0.1:{door.port}")
        url = f"http://127.0.0.1:{door.port}/"

        assert fetch("GET", url, max_bytes=1000).body == b"a" * 1000
        assert failure(lambda: fetch("GET", url, max_bytes=999)) == "too_large"
        assert fetch("GET", url, max_bytes=0).body == b""


def test_an_endless_body_ends_at_the_limit(allow):
    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"a" * 65536)

    with served(pour) as door:
        allow(f"127.0.0.1:{door.port}")

        assert failure(lambda: fetch("GET", f"http://127.0.0.1:{door.port}/")) == "too_large"


def dripping(door: list[Door], text: bytes) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        for byte in text:
            connection.sendall(bytes([byte]))
            if door[0].stopping.wait(0.05):
                return

    return drip


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"a" * 500,
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 500,
        b"HTTP/1.1 102 Processing\r\n\r\n" * 50,
    ],
    ids=["body", "headers", "informational"],
)
def test_a_slow_drip_ends_with_the_deadline_of_the_whole_call(text, allow):
    """Each byte comes long before a time-out of silence: only a deadline over everything ends it."""
    itself: list[Door] = []
    with served(dripping(itself, text)) as door:
        itself.append(door)
        allow(f"127.0.0.1:{door.port}")
        began = time.monotonic()

        assert failure(lambda: fetch("GET", f"http://127.0.0.1:{door.port}/", timeout=1.0)) == "timeout"
        assert 0.9 < time.monotonic() - began < 20


@pytest.mark.slow
def test_silence_and_a_resolver_that_hangs_end_with_the_deadline(allow, monkeypatch):
    with served(lambda connection: door.stopping.wait(5)) as door:
        allow(f"127.0.0.1:{door.port}")
        began = time.monotonic()

        assert failure(lambda: fetch("GET", f"http://127.0.0.1:{door.port}/", timeout=0.5)) == "timeout"
        assert time.monotonic() - began < 4.5

    began = time.monotonic()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(30) or [])

    assert failure(lambda: fetch("GET", "https://slow.example/", timeout=0.5)) == "timeout"
    assert time.monotonic() - began < 25


def test_what_goes_wrong_on_the_way_is_one_word(allow, names):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    allow("127.0.0.1:*", "gone.example:80")
    names("gone.example", [])

    assert failure(lambda: fetch("GET", f"http://127.0.0.1:{port}/")) == "unreachable"
    assert failure(lambda: fetch("GET", "http://gone.example/")) == "name_not_found"
    for say, code in ((saying("nonsense\r\n\r\n"), "malformed_answer"), (lambda connection: None, "malformed_answer")):
        with served(say) as door:
            assert failure(lambda: fetch("GET", f"http://127.0.0.1:{door.port}/")) == code
    with served(saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi")) as door:
        assert failure(lambda: fetch("GET", f"http://127.0.0.1:{door.port}/")) == "malformed_answer"
        assert failure(lambda: fetch("GET", f"http://127.0.0.1:{door.port}/", headers={"X": "a\r\nb: c"})) == "malformed_request"
        assert len(door.heard) == 1


def test_the_next_address_is_tried_when_one_does_not_answer(allow, names):
    with served(OK) as door:
        names("two.example", ["127.0.0.9", "127.0.0.1"])
        allow(f"two.example:{door.port}")

        assert fetch("GET", f"http://two.example:{door.port}/").status == 200


# -- TLS


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ssl.SSLContext]]:
    """``certificate("name")``: a server's side with a certificate for that name from an authority that is trusted in this test."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    now = dt.datetime.now(dt.UTC)

    def sign(subject: x509.Name, public: Any, *, ca: bool, alternatives: list[str]) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in alternatives]), critical=False)
        return builder.sign(key, hashes.SHA256())

    root = tmp_path / "root.pem"
    root.write_bytes(sign(authority, key.public_key(), ca=True, alternatives=[]).public_bytes(serialization.Encoding.PEM))

    def make(name: str) -> ssl.SSLContext:
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        chain, secret = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        chain.write_bytes(sign(subject, own.public_key(), ca=False, alternatives=[name]).public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, secret)
        return context

    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    outbound._trust.cache_clear()
    yield make
    outbound._trust.cache_clear()


def test_the_certificate_must_be_for_the_name_although_the_connection_goes_to_the_address(certificate, allow, names):
    asked_for: list[str | None] = []
    context = certificate("good.example")
    context.sni_callback = lambda connection, name, _: asked_for.append(name)
    with served(OK, context) as door:
        allow(f"good.example:{door.port}", f"other.example:{door.port}", f"127.0.0.1:{door.port}")
        names("good.example", ["127.0.0.1"])
        names("other.example", ["127.0.0.1"])

        assert fetch("GET", f"https://good.example:{door.port}/").body == b"hi"
        assert failure(lambda: fetch("GET", f"https://other.example:{door.port}/")) == "certificate_invalid"
        assert failure(lambda: fetch("GET", f"https://127.0.0.1:{door.port}/")) == "certificate_invalid"
        assert asked_for == ["good.example", "other.example", None]
        assert len(door.heard) == 1


def test_a_certificate_of_nobody_we_trust_is_refused(certificate, allow, names, monkeypatch):
    with served(OK, certificate("good.example")) as door:
        monkeypatch.delenv("SSL_CERT_FILE")
        outbound._trust.cache_clear()
        allow(f"good.example:{door.port}")
        names("good.example", ["127.0.0.1"])

        assert failure(lambda: fetch("GET", f"https://good.example:{door.port}/")) == "certificate_invalid"
        assert door.heard == []


def test_a_server_without_tls_is_a_failure(allow):
    with served(OK) as door:
        allow(f"127.0.0.1:{door.port}")

        assert failure(lambda: fetch("GET", f"https://127.0.0.1:{door.port}/", timeout=3)) in ("tls_failed", "timeout")


def test_nothing_is_called_inside_a_transaction(db, allow):
    with served(OK) as door:
        allow(f"127.0.0.1:{door.port}")

        with transaction.atomic(), pytest.raises(RuntimeError):
            fetch("GET", f"http://127.0.0.1:{door.port}/")

        assert door.heard == []


def test_what_is_kept_of_a_call_shows_nothing_of_it(allow):
    with served(saying("HTTP/1.1 200 OK\r\nX-Key: hidden\r\nContent-Length: 6\r\n\r\nsecret")) as door:
        allow(f"127.0.0.1:{door.port}")

        assert repr(fetch("GET", f"http://127.0.0.1:{door.port}/")) == "Answer(status=200)"
