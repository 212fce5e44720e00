import factory
from django.utils.timezone import now

from apps.notifications.models import Channel, Delivery, Kind, Notification, Preference, SenderIdentity
from factories.base import TenantFactory
from factories.clients import ClientFactory
from factories.users import UserFactory


class NotificationFactory(TenantFactory):
    user = factory.SubFactory(UserFactory)
    key = factory.Sequence(lambda n: f"made:{n}")
    kind = Kind.BOOKING_CONFIRMED
    title = "Your session is confirmed"
    message = "See you soon."

    class Meta:
        model = Notification


class DeliveryFactory(TenantFactory):
    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    key = factory.Sequence(lambda n: f"made:{n}")
    kind = Kind.BOOKING_CONFIRMED
    channel = Channel.EMAIL
    address = factory.Sequence(lambda n: f"reader{n}@example.test")
    language = "en"
    timezone = "Europe/Berlin"
    subject = "Your session is confirmed"
    text = "See you soon.\n"
    html = "<p>See you soon.</p>"
    next_attempt_at = factory.LazyFunction(now)

    class Meta:
        model = Delivery


class SenderIdentityFactory(TenantFactory):
    sender_name = "The studio"

    class Meta:
        model = SenderIdentity


class PreferenceFactory(factory.django.DjangoModelFactory):
    user = factory.SubFactory(UserFactory)
    kind = Kind.BOOKING_CONFIRMED
    channel = Channel.EMAIL
    is_enabled = False

    class Meta:
        model = Preference
