"""The one HTTP client for addresses that users give us: webhooks, feeds. It never reaches our own network (security.md T20).

A name is resolved once, every address it has must be public, and the connection goes to exactly what was checked; so a name that
answers otherwise a moment later gains nothing. No redirects, no proxy from the environment, no cookies, no kept connections, and one
deadline over everything, from the name's resolution to the last byte.
"""

import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpcore
import httpx
from django.conf import settings

from apps.core.db import outside_transactions

PORTS = {"http": 80, "https": 443}
MAX_URL = 2_000
CONNECT_SECONDS = 3.0  # for one address; the next one is tried after it
USER_AGENT = "Clientele/1.0"

# IPv4 that is_global lets through, or may let through in some version of Python.
NOT_PUBLIC_V4 = [
    ip_network(text)
    for text in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4")
]
# Of IPv6 only the global unicast block is in use. Of that: IETF's protocols (Teredo among them), documentation, and 6to4, whose
# addresses lead to any IPv4 address.
PUBLIC_V6 = ip_network("2000::/3")
NOT_PUBLIC_V6 = [ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
NAT64 = ip_network("64:ff9b::/96")  # networks without IPv4 reach it through these: as public as the address inside
NUMBER = re.compile(r"(\d+|0[xX][0-9a-fA-F]*)")
DOTTED = re.compile(r"(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}")
LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa")


class OutboundRefused(Exception):
    """We do not call this address, now or later as it is. ``code`` is short and safe to show."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class OutboundFailed(Exception):
    """No answer, or none that can be used; another try may have one. ``code`` is short and safe to show."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case. ``repr`` leaves out the content, which is not ours."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    timeout: float = 10.0,
    max_bytes: int = 1_000_000,
) -> Answer:
    """One call, made once, that ends within ``timeout`` seconds. A redirect is an answer like any other.

    The body comes as it was sent (nothing is decompressed: we say that we take it plain). More than ``max_bytes`` of it is a failure;
    with 0 it is not read at all. Raises OutboundRefused and OutboundFailed.
    """
    target = checked_url(url)
    wire = _Wire(time.monotonic() + timeout)
    sent = {"host": target.netloc.decode(), "user-agent": USER_AGENT, "accept-encoding": "identity", "connection": "close"}
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    address = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=_port(target), target=target.raw_path)
    with outside_transactions():
        try:
            with (
                httpcore.ConnectionPool(ssl_context=_trust(), network_backend=wire, max_keepalive_connections=0) as pool,
                pool.stream(method, address, headers=[*sent.items()], content=content) as response,
            ):
                body = bytearray()
                for piece in response.iter_stream() if max_bytes else ():
                    body += piece
                    if len(body) > max_bytes:
                        raise OutboundFailed("too_large")
                answered = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                return Answer(response.status, answered, bytes(body))
        except httpcore.LocalProtocolError:
            code = "malformed_request"
        except httpcore.ProtocolError:
            code = "malformed_answer"
        except httpcore.NetworkError:
            code = "connection_lost"
    raise OutboundFailed(code)


def checked_url(url: str) -> httpx.URL:
    """The address taken apart, if it is one that may be called as far as its words can tell: names are resolved only by ``fetch``.

    Raises OutboundRefused.
    """
    if len(url) > MAX_URL or any(character <= " " or character == "\\" or character == "\x7f" for character in url):
        raise OutboundRefused("malformed_url")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise OutboundRefused("malformed_url") from None
    if parsed.scheme not in PORTS:
        raise OutboundRefused("scheme_not_allowed")
    if parsed.userinfo:
        raise OutboundRefused("credentials_in_url")
    host = parsed.raw_host.decode()
    if not host:
        raise OutboundRefused("malformed_url")
    if _is_allowed(host, _port(parsed)):
        return parsed
    if _port(parsed) not in PORTS.values():
        raise OutboundRefused("port_not_allowed")
    _check_words(host)
    return parsed


def _check_words(host: str) -> None:
    """Refuse literal addresses that are not public or not plainly written (``127.1``, ``0x7f.1``, ``2130706433``), and local names."""
    literal = _literal(host)
    if literal is not None:
        if not is_public(literal):
            raise OutboundRefused("address_not_public")
        return
    labels = host.lower().removesuffix(".").split(".")
    if NUMBER.fullmatch(labels[-1]):
        raise OutboundRefused("malformed_url")
    if any(".".join(labels).endswith(f".{name}") or ".".join(labels) == name for name in LOCAL_NAMES):
        raise OutboundRefused("address_not_public")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host) if ":" in host or DOTTED.fullmatch(host) else None
    except ValueError:
        raise OutboundRefused("malformed_url") from None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is a host of the open internet."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        return address in PUBLIC_V6 and not any(address in network for network in NOT_PUBLIC_V6) and address.scope_id is None
    return address.is_global and not any(address in network for network in NOT_PUBLIC_V4)


def _port(url: httpx.URL) -> int:
    return url.port if url.port is not None else PORTS[url.scheme]


def _is_allowed(host: str, port: int) -> bool:
    """The one exception: a ``host:port`` (``host:*``) that this installation's settings name."""
    allowed = settings.OUTBOUND_ALLOWED_HOSTS
    return f"{host}:{port}" in allowed or f"{host}:*" in allowed


@cache
def _trust() -> ssl.SSLContext:
    """Certificates are checked against certifi's list, or SSL_CERT_FILE's; the name in them must be the address's."""
    return httpx.create_ssl_context()


class _Wire(httpcore.NetworkBackend):
    """Connects one call: resolves, checks, and lets nothing take longer than what is left until ``end`` (monotonic seconds)."""

    def __init__(self, end: float) -> None:
        self.end = end

    def left(self) -> float:
        """Seconds until the end. Raises OutboundFailed when there are none."""
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise OutboundFailed("timeout")
        return seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Try the addresses of the host one after another; none is tried unless all of them may be called."""
        addresses = self._resolve(host, port)
        if not _is_allowed(host, port) and not all(is_public(ip_address(address[0])) for _, address in addresses):
            raise OutboundRefused("address_not_public")
        for family, address in addresses:
            try:
                connection = socket.socket(family, socket.SOCK_STREAM)
            except OSError:  # a family that this machine has not, or no descriptor left
                continue
            try:
                connection.settimeout(min(CONNECT_SECONDS, self.left()))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                refused = connection.connect_ex(address)
            except OSError:
                connection.close()
                continue
            except BaseException:  # also a worker that is told to stop: no connection is left open
                connection.close()
                raise
            if not refused:
                return _Stream(connection, self)
            connection.close()
        self.left()
        raise OutboundFailed("unreachable")

    def _resolve(self, host: str, port: int) -> list[tuple[int, Any]]:
        """All addresses of the host, by the system's resolver, which has no deadline: it is left behind in its thread when it is late."""
        found: queue.SimpleQueue[list[tuple[int, Any]]] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            except (OSError, UnicodeError):
                infos = []
            found.put([(family, address) for family, _, _, _, address in infos if family in (socket.AF_INET, socket.AF_INET6)])

        threading.Thread(target=look_up, daemon=True, name="outbound name").start()
        try:
            addresses = found.get(timeout=self.left())
        except queue.Empty:
            raise OutboundFailed("timeout") from None
        if not addresses:
            raise OutboundFailed("name_not_found")
        return addresses


class _Stream(httpcore.NetworkStream):
    """A connection on which every step ends with the call's deadline, however slowly the other side drips."""

    def __init__(self, connection: socket.socket, wire: _Wire) -> None:
        self.connection, self.wire = connection, wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self.connection.settimeout(self.wire.left())
            return self.connection.recv(max_bytes)
        except TimeoutError:
            raise OutboundFailed("timeout") from None
        except OSError:
            raise httpcore.ReadError from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self.connection.settimeout(self.wire.left())  # sendall counts it once for the whole buffer
            self.connection.sendall(buffer)
        except TimeoutError:
            raise OutboundFailed("timeout") from None
        except OSError:
            raise httpcore.WriteError from None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """``server_hostname`` is the address's host: asked for (SNI) and required in the certificate."""
        try:
            self.connection.settimeout(self.wire.left())  # once for the whole handshake
            self.connection = ssl_context.wrap_socket(self.connection, server_hostname=server_hostname)
        except TimeoutError:
            code = "timeout"
        except ssl.SSLCertVerificationError:
            code = "certificate_invalid"
        except (OSError, ValueError):
            code = "tls_failed"
        else:
            return self
        self.close()
        raise OutboundFailed(code)

    def close(self) -> None:
        self.connection.close()

    def get_extra_info(self, info: str) -> Any:
        return self.connection if info == "ssl_object" and isinstance(self.connection, ssl.SSLSocket) else None
