"""What both fakes promise to those who test against them: deliveries, faults, latency, state over a restart, and running as programs."""

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.listener import Listener
from tests.fakes.paypal import PayPalFake
from tests.fakes.stripe import StripeFake
from tests.payments.adapters.peers import Peer, peer_of

FAKES = {"stripe": StripeFake, "paypal": PayPalFake}


@pytest.fixture(params=["stripe", "paypal"])
def peer(request: Any) -> Peer:
    return peer_of(request.getfixturevalue(f"{request.param}_fake"))


@pytest.fixture
def heard(peer: Peer) -> Iterator[Listener]:
    with Listener() as listener:
        peer.fake.account["webhook_url"] = listener.url
        yield listener


def ids(deliveries: list[tuple[dict[str, str], bytes]]) -> list[str]:
    return [json.loads(body)["id"] for _, body in deliveries]


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  our own address
        return json.load(answer)


# -- deliveries


def test_events_arrive_in_order_with_growing_ids(peer, heard):
    peer.paid()

    assert peer.fake.deliveries.wait()
    assert ids(heard.deliveries) == [event["id"] for event in peer.fake.events]
    assert len(heard.deliveries) >= 3
    assert ids(heard.deliveries) == sorted(set(ids(heard.deliveries)))


def test_an_event_comes_again_until_it_is_accepted(peer, heard):
    heard.statuses = [500, 302, 404]
    peer.fake.approve(peer.begun().reference) if peer.provider.name == "paypal" else peer.begun()

    assert peer.fake.deliveries.wait()
    (event,) = peer.fake.events
    assert ids(heard.deliveries) == [event["id"]] * 4
    assert get(f"{peer.fake.url}/_fake/events")["deliveries"] == {event["id"]: [500, 302, 404, 200]}


def test_pauses_grow(peer):
    pauses = peer.fake.deliveries.PAUSES
    assert list(pauses) == sorted(set(pauses))


def test_duplicates_and_reverse_order_on_request(peer, heard):
    peer.fake.do("deliveries", hold=True)
    peer.paid()
    assert heard.deliveries == []
    created = [event["id"] for event in peer.fake.events]

    peer.fake.do("deliveries", hold=False, reverse=True, duplicates=1)

    assert peer.fake.deliveries.wait()
    assert ids(heard.deliveries) == [event for event in reversed(created) for _ in range(2)]


def test_redeliver(peer, heard):
    peer.paid()
    assert peer.fake.deliveries.wait()
    first = peer.fake.events[0]["id"]
    before = len(heard.deliveries)

    peer.fake.do(f"redeliver/{first}")

    assert peer.fake.deliveries.wait()
    assert ids(heard.deliveries)[before:] == [first]
    with pytest.raises(urllib.error.HTTPError):
        peer.fake.do("redeliver/evt_unknown")


def test_nobody_at_the_address_is_tried_again(peer):
    with Listener() as gone:
        peer.fake.account["webhook_url"] = gone.url
    peer.paid()
    assert peer.fake.deliveries.wait(0.5) is False
    with Listener() as there:
        peer.fake.account["webhook_url"] = there.url
        assert peer.fake.deliveries.wait()
        assert set(ids(there.deliveries)) == {event["id"] for event in peer.fake.events}


def test_a_delivery_is_what_the_adapter_believes(peer, heard):
    peer.paid()
    assert peer.fake.deliveries.wait()

    for headers, body in heard.deliveries:
        assert peer.provider.verify(headers=headers, body=body, at=datetime.now(UTC)).event_id == json.loads(body)["id"]


# -- faults and latency


def test_a_fault_lasts_as_often_as_it_was_asked_for(peer):
    charge = peer.begun()
    peer.fake.do("faults", path=f"{peer.begin_path}/*", kind="error_before", times=2)

    answered = []
    for _ in range(4):
        try:
            answered.append(peer.provider.fetch(charge.reference) == charge)
        except Exception as error:
            answered.append(type(error).__name__)
    assert answered == ["ProviderUnavailable", "ProviderUnavailable", True, True]


def test_an_unknown_fault_is_refused(peer):
    with pytest.raises(urllib.error.HTTPError) as caught:
        peer.fake.do("faults", path="*", kind="earthquake")
    assert caught.value.code == 400


@pytest.mark.slow
def test_latency_is_added_to_every_call_and_does_not_queue(peer):
    peer.provider.check()
    peer.fake.do("latency", seconds=0.2)

    start = time.perf_counter()
    charge = peer.begun()
    assert time.perf_counter() - start >= 0.2

    start = time.perf_counter()
    threads = [threading.Thread(target=peer.provider.fetch, args=(charge.reference,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.2 <= time.perf_counter() - start < 0.9
    peer.fake.do("latency", seconds=0)
    assert peer.provider.fetch(charge.reference) == charge


# -- over a restart


def test_state_survives_a_restart(peer, tmp_path, settings):
    kind = FAKES[peer.provider.name]
    with kind(state=tmp_path / "state.json") as before:
        setattr(settings, f"{peer.provider.name.upper()}_API_BASE", before.url)
        first = peer_of(before)
        charge = first.paid()
        refund = first.provider.refund(first.part(charge, 500))
        events = before.events
    with kind(state=tmp_path / "state.json") as after:
        setattr(settings, f"{peer.provider.name.upper()}_API_BASE", after.url)
        second = peer_of(after)

        found = second.provider.fetch(charge.reference)
        assert (found.captured_cents, found.refunded_cents) == (12550, 500)
        assert second.provider.refund(second.part(charge, 500)) == refund
        assert second.begun().reference == charge.reference
        assert second.provider.refund(second.part(charge, 12050, "rest")).reference != refund.reference
        assert second.provider.fetch(charge.reference).refunded_cents == 12550
        assert len(after.charges) == 1
        assert after.events[: len(events)] == events


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [("stripe", ["--secret", "whsec_given", "--key", "sk_test_given"]), ("paypal", ["--webhook-id", "WH-GIVEN", "--client-id", "AGiven"])],
)
def test_each_fake_is_a_program(name, options):
    program = subprocess.Popen([sys.executable, "-m", f"tests.fakes.{name}", "--port", "0", *options], stdout=subprocess.PIPE, text=True)
    try:
        url = program.stdout.readline().strip()
        assert get(f"{url}/_fake/events") == {"events": [], "deliveries": {}}
    finally:
        program.terminate()
        assert program.wait(10) == 0
        program.stdout.close()
