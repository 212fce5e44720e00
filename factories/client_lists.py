"""Lists of clients as files, and merges."""

from datetime import UTC, datetime
from uuid import UUID

import factory

from apps.clients.models import ClientExport, ClientImport, ClientImportRow, ClientMerge
from factories.base import TenantFactory
from factories.clients import ClientFactory


class ClientImportFactory(TenantFactory):
    """An uploaded file that is not there: for rows without a reader."""

    name = factory.Sequence(lambda n: f"people {n}.csv")
    format = "csv"
    size = 20
    storage_key = factory.LazyAttributeSequence(lambda row, n: f"{row.account.pk}/{UUID(int=n)}")
    encoding = "utf-8"
    delimiter = ","
    columns = ["Name", "E-mail"]
    sample = [["Ada", "ada@example.test"]]

    class Meta:
        model = ClientImport


class ClientImportRowFactory(TenantFactory):
    source = factory.SubFactory(ClientImportFactory, account=factory.SelfAttribute("..account"))
    line = factory.Sequence(lambda n: n + 2)
    state = "bad"
    reason = "full_name: This field is required."
    raw = ["", "nobody"]

    class Meta:
        model = ClientImportRow


class ClientExportFactory(TenantFactory):
    format = "csv"

    class Meta:
        model = ClientExport


class ClientMergeFactory(TenantFactory):
    """A merge that was undone: its two clients are records of their own."""

    winner = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    loser = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    merged_at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    undone_at = datetime(2026, 11, 20, 13, tzinfo=UTC)

    class Meta:
        model = ClientMerge
