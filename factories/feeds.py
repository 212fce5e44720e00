import factory

from apps.integrations.models import CalendarFeed
from apps.integrations.selectors import digest_of
from factories.base import TenantFactory
from factories.clients import ClientFactory


def feed_token(client_id: int) -> str:
    """The token of the feed that the factory makes for a client."""
    return f"feed-of-{client_id}"


class CalendarFeedFactory(TenantFactory):
    """A client's feed (one each), with a token that anybody can guess."""

    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    token_digest = factory.LazyAttribute(lambda o: digest_of(feed_token(o.client.pk)))

    class Meta:
        model = CalendarFeed
