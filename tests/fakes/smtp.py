"""A mail server of a few lines: takes mails over real SMTP, or refuses them as it is told to."""

import email
import socketserver
import threading
from email import policy
from email.message import EmailMessage
from typing import Any, Self


class SmtpFake:
    """``with SmtpFake() as fake:`` listens on a free port; ``fake.mails`` is what it took.

    ``refuse_with`` is a reply (for example ``"451 try later"``) to every recipient until it is emptied; ``cut`` lets the connection
    drop after a mail was taken and before that is said.
    """

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.attempts = 0
        self.refuse_with = ""
        self.cut = False
        self._server = _Server(("127.0.0.1", 0), _Talk)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def take(self, raw: bytes) -> None:
        self.mails.append(email.message_from_bytes(raw, policy=policy.default))  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    fake: SmtpFake


class _Talk(socketserver.StreamRequestHandler):
    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        fake: SmtpFake = self.server.fake  # type: ignore[attr-defined]
        self.say("220 fake ready")
        while line := self.rfile.readline():
            verb: Any = line.decode("latin-1").strip().upper()
            if verb.startswith("RCPT") and fake.refuse_with:
                fake.attempts += 1
                self.say(fake.refuse_with)
            elif verb == "DATA":
                fake.attempts += 1
                self.say("354 go on")
                fake.take(self._mail())
                if fake.cut:
                    return
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def _mail(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)
