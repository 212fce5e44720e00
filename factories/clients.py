import factory

from apps.clients.models import Client
from factories.base import TenantFactory


class ClientFactory(TenantFactory):
    full_name = factory.Sequence(lambda n: f"Client {n}")
    email = factory.Sequence(lambda n: f"client{n}@example.test")

    class Meta:
        model = Client
