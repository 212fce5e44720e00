"""What the clients' own app keeps about a client who is merged into another."""

from django.db.models import Exists, Q

from apps.clients.models import (
    Client,
    ClientConsent,
    ClientImportRow,
    ClientMerge,
    ClientNote,
    ClientTask,
    Erasure,
    GuestAccess,
    SubjectExport,
)
from apps.core.merging import Merging, follows, stays


def _done_or_second(merging: Merging) -> Q:
    """What certifies something stays; and of two that wait, one is left to be done."""
    another = Erasure.objects.filter(client=merging.winner.pk).exclude(state=Erasure.State.WITHDRAWN)
    return ~Q(state=Erasure.State.WAITING) | Q(Exists(another))


for model in (ClientNote, ClientTask, ClientConsent):
    follows(model, "client")
follows(Client, "merged_into")  # whoever was merged earlier: one step leads to the client that is left
follows(Erasure, "client", unless=_done_or_second)  # one that waits: the person is the winner from now on
stays(ClientMerge, "winner", "loser", because="it says what was merged")
stays(GuestAccess, "client", because="a link opens exactly the record that it was mailed for, and ends with it")
stays(SubjectExport, "client", because="it is an archive of what was kept about this record")
stays(ClientImportRow, "client", because="it says what an import wrote")
