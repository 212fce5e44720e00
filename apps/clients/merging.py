"""What the clients' own app keeps about a client who is merged into another."""

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
from apps.core.merging import follows, stays

for model in (ClientNote, ClientTask, ClientConsent):
    follows(model, "client")
follows(Client, "merged_into")  # whoever was merged earlier: one step leads to the client that is left
stays(ClientMerge, "winner", "loser", because="it says what was merged")
stays(GuestAccess, "client", because="a link opens exactly the record that it was mailed for, and ends with it")
stays(SubjectExport, "client", because="it is an archive of what was kept about this record")
stays(Erasure, "client", because="it certifies what was done about this record")
stays(ClientImportRow, "client", because="it says what an import wrote")
