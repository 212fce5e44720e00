"""From a change to a webhook: the whole way, with the job queue and a real receiver."""

import pytest
from standardwebhooks import Webhook

from apps.bookings.services.pauses import pause_order
from apps.core import jobs
from apps.core.events import handlers_of
from apps.core.tenancy import account_scope
from apps.integrations.services.endpoints import create_endpoint
from tests.studio import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_type_is_heard():
    assert "apps.integrations.handlers.tell_webhook_endpoints" in handlers_of("booking.confirmed")
    assert "apps.integrations.handlers.tell_webhook_endpoints" in handlers_of("payment.succeeded")


def test_a_sale_is_told_to_who_wants_to_know_and_each_change_once(queue, studio, receiver):
    with account_scope(studio.account):
        _, secret = create_endpoint(url=receiver.url, event_types=["order.placed", "payment.succeeded"])
        _, other = create_endpoint(url=receiver.url + "/everything")
    studio.sell(at=NOW)
    with account_scope(studio.account):
        pause_order(studio.sell(at=NOW).order, first_day=NOW.date(), reason="ill", at=NOW)
    jobs.run_pending()

    some = [Webhook(secret).verify(hook.body, hook.headers) for hook in receiver.hooks if hook.path == "/hook"]
    everything = [Webhook(other).verify(hook.body, hook.headers) for hook in receiver.hooks if hook.path == "/hook/everything"]
    assert [told["type"] for told in some] == ["order.placed", "order.placed"]
    assert sorted(told["type"] for told in everything) == ["order.pause_added", "order.paused", "order.placed", "order.placed"]
    for told in (some, everything):
        assert len({one["id"] for one in told}) == len(told)
    assert {told["account"] for told in everything} == {studio.account.pk}
