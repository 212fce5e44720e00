"""Twilio as far as we use it: messages of one account, over real HTTP, with its way of saying no."""

import base64
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from tests.fakes.server import Call, FakeServer, Refusal, Reply


class TwilioFake(FakeServer):
    """``fake.messages`` is what it took; numbers that end with 0000 do not exist."""

    name: ClassVar[str] = "twilio"
    sid, token = "AC00000000000000000000000000000001", "twilio-token"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.messages: list[dict[str, str]] = []

    def admit(self, call: Call) -> Reply | None:
        expected = "Basic " + base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()
        if call.headers.get("authorization") != expected:
            raise Refusal(401, {"code": 20003, "message": "Authenticate", "status": 401})
        return None

    def answer(self, call: Call) -> Reply:
        if call.path != f"/2010-04-01/Accounts/{self.sid}/Messages.json" or call.method != "POST":
            raise Refusal(404, {"code": 20404, "status": 404})
        form = dict(parse_qsl(call.body.decode()))
        if form["To"].endswith("0000"):
            raise Refusal(400, {"code": 21211, "message": f"The 'To' number {form['To']} is not a valid phone number.", "status": 400})
        self.messages.append(form)
        return Reply.of({"sid": f"SM{len(self.messages):032}", "status": "queued"}, 201)
