"""What can happen to a client's record."""

from apps.core.events import ANY, declare

declare(
    "clients.client",
    {
        "client.created": ("A person was entered, by staff or because they bought something.", ()),
        "client.updated": ("Data of the person changed; the keys are the fields.", (ANY,)),
        "client.deleted": ("The record was deleted; it had no orders.", ()),
    },
)
