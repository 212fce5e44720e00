"""What can happen to a client's record."""

from apps.core.events import ANY, declare

declare(
    "clients.client",
    {
        "client.created": ("A person was entered, by staff or because they bought something.", ()),
        "client.updated": ("Data of the person changed; the keys are the fields.", (ANY,)),
        "client.access_opened": ("The client opened the link that was mailed to them, and sees their own things for an hour.", ()),
        "client.archive_requested": ("Everything that is kept about the client was asked for, as one file.", ("archive",)),
        "client.erasure_requested": ("The client is to be erased as soon as nothing forbids it.", ("waits_for",)),
        "client.erasure_withdrawn": ("The client is not to be erased after all.", ()),
        "client.erased": (
            "The person was erased; the record names nobody any more. Whoever has copies has to erase them, too.",
            ("erasure",),
        ),
        "client.held": ("The client must not be erased, until this day or until it is lifted.", ("until",)),
        "client.hold_lifted": ("The client may be erased again.", ()),
        "client.deleted": ("The record was deleted; it had no orders.", ()),
    },
)
declare(
    "clients.client",
    {
        "client.merged": ("Another record (`other`) of the same person was merged into this one; the other keys are fields.", (ANY,)),
        "client.unmerged": ("A merge was taken back: `other` is a record of its own again; `left` are fields that stayed.", (ANY,)),
    },
)
declare(
    "clients.client",
    {
        "client.linked": ("A lead became the client of the customer who proved its e-mail address.", ("customer",)),
        "client.blocked": ("Nothing is sold to this client online any more.", ()),
        "client.unblocked": ("The client may buy online again.", ()),
    },
)
declare(
    "clients.blockedcontact",
    {
        "contact.blocked": ("Nothing is sold online to an address or a number any more.", ()),
        "contact.unblocked": ("An address or a number may buy online again.", ()),
    },
)
declare(
    "clients.clientnote",
    {
        "note.added": ("Staff wrote a note about the client.", ()),
        "note.changed": ("A note was changed.", ("is_pinned",)),
        "note.deleted": ("A note was deleted.", ()),
    },
)
declare(
    "clients.clienttask",
    {
        "task.added": ("There is something to do for the client.", ("due_at", "assignee")),
        "task.changed": ("A task was changed; for another time or person the keys say so.", ("due_at", "assignee")),
        "task.due": ("A task has come due and is not done.", ("due_at", "assignee")),
        "task.done": ("A task was done.", ()),
        "task.reopened": ("A task is not done after all.", ()),
        "task.deleted": ("A task was deleted.", ()),
    },
)
declare(
    "clients.clientconsent",
    {
        "consent.given": ("The client agreed to a purpose.", ("purpose",)),
        "consent.withdrawn": ("The client withdrew their consent to a purpose.", ("purpose",)),
    },
)
COUNTS = ("created", "updated", "skipped", "bad")

declare(
    "clients.clientimport",
    {
        "client_import.uploaded": ("A file with clients was uploaded; nothing was read in yet.", ("size",)),
        "client_import.started": ("The rows of a file are being read in.", ("state", "on_duplicate")),
        "client_import.finished": ("An import has ended: done, cancelled or failed.", ("state", *COUNTS)),
        "client_import.undo_started": ("An import is being taken back.", ("state",)),
        "client_import.undone": (
            "An import was taken back, as far as nobody had used what it wrote.",
            ("state", "removed", "restored", "left"),
        ),
    },
)
declare(
    "clients.clientexport",
    {
        "client.list_exported": (
            "Somebody asked for a list of clients as a file; `filters` names what it was narrowed by.",
            ("format", "filters"),
        ),
        "client.list_ready": ("A list of clients can be fetched, once and for a day.", ("state", "rows")),
        "client.list_fetched": ("A list of clients was fetched.", ("state",)),
    },
    public=False,
)
