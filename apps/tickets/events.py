"""What can happen to a ticket. What people wrote, and what files are called, stays in the rows."""

from apps.core.events import declare

declare(
    "tickets.ticket",
    {
        "ticket.opened": (
            "Somebody asks for something; `by` is client or provider, `site` the site's UUID.",
            ("number", "priority", "site", "assignee", "by"),
        ),
        "ticket.updated": ("Its priority, category or subject changed; `fields` names what did.", ("fields", "priority")),
        "ticket.assigned": ("Somebody else looks after it, or nobody (null).", ("assignee",)),
        "ticket.status_changed": (
            "Its state changed by `action`, done by the client or the provider (`by`).",
            ("status", "action", "by", "assignee"),
        ),
        "ticket.replied": ("The client or the provider (`by`) wrote a message that both can read.", ("message", "by", "assignee")),
        "ticket.attachment_added": ("A file was put to it that both can read.", ("attachment", "by", "assignee")),
        "ticket.time_logged": (
            "Work on it used up a session of the client's.",
            ("time", "booking", "practitioner", "minutes"),
        ),
        "ticket.overdue": (
            "A promise was not kept; `what` is first_answer or solution, `due_at` when it was due.",
            ("what", "due_at", "assignee"),
        ),
    },
)
declare(
    "tickets.ticket",
    {
        "ticket.note_added": ("Staff wrote a message for each other.", ("message",)),
        "ticket.internal_attachment_added": ("A file was put to it that the client does not see.", ("attachment",)),
        "ticket.attachment_deleted": ("A file was deleted.", ("attachment",)),
    },
    public=False,
)
