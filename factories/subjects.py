"""Archives and erasures."""

from datetime import UTC, datetime

import factory

from apps.clients.models import Erasure, SubjectExport
from apps.users.models import PersonExport
from factories.base import TenantFactory
from factories.clients import ClientFactory
from factories.users import UserFactory


class SubjectExportFactory(TenantFactory):
    """An archive that is being made."""

    class Meta:
        model = SubjectExport

    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))


class ErasureFactory(TenantFactory):
    """An erasure that was done."""

    class Meta:
        model = Erasure

    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    state = Erasure.State.DONE
    erased_at = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


class PersonExportFactory(factory.django.DjangoModelFactory):
    """A person's own archive that is being made."""

    class Meta:
        model = PersonExport

    user = factory.SubFactory(UserFactory)
