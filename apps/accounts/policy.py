"""Who may do what in an account: one table, read by the staff door and shown in docs/roles.md.

Keys are the URL basename and the view's action. A route that is missing here is refused to everybody, and
tests/security/test_roles.py fails until it is declared.
"""

from apps.accounts.models import Role

OWNERS = frozenset({Role.OWNER})
MANAGERS = frozenset({Role.OWNER, Role.MANAGER})
DESK = frozenset({Role.OWNER, Role.MANAGER, Role.FRONT_DESK})
MONEY = frozenset({Role.OWNER, Role.MANAGER, Role.FRONT_DESK, Role.BOOKKEEPER})
CARE = frozenset({Role.OWNER, Role.MANAGER, Role.FRONT_DESK, Role.PRACTITIONER})
EVERYBODY = frozenset(Role)

REFUNDERS = frozenset({Role.OWNER, Role.MANAGER, Role.BOOKKEEPER})

READ = ("list", "retrieve")
WRITE = ("create", "partial_update", "destroy")

LIFE_OF_A_BOOKING = (
    "schedule",
    "hold",
    "release",
    "confirm",
    "decline",
    "reschedule",
    "quote_reschedule",
    "check_in",
    "complete",
    "no_show",
    "quote_no_show",
    "undo_no_show",
    "cancel",
    "quote_cancel",
)

REFUND_ACTIONS = dict.fromkeys(("refund", "quote_refund"), REFUNDERS)

# What may be done with a package that a client owns, at orders/ and at client-packages/ alike.
PACKAGE_ACTIONS = {
    **dict.fromkeys(("pause", "quote_pause", "resume", "transfer", "quote_transfer"), DESK),
    **dict.fromkeys(("extend", "grant"), MANAGERS),
    **REFUND_ACTIONS,
    "statement": MONEY,
}


def _resource(read: frozenset[Role], write: frozenset[Role], **actions: frozenset[Role]) -> dict[str, frozenset[Role]]:
    return {**dict.fromkeys(READ, read), **dict.fromkeys(WRITE, write), **actions}


POLICY: dict[str, dict[str, frozenset[Role]]] = {
    "event": dict.fromkeys(READ, MANAGERS),
    "account": {"retrieve": EVERYBODY, "partial_update": OWNERS, "destroy": OWNERS},
    "account-settings": {"retrieve": EVERYBODY, "partial_update": MANAGERS},
    # Everybody may leave; whom else a member may change or remove is for apps.accounts.services.members to say.
    "member": {**dict.fromkeys(READ, EVERYBODY), "partial_update": MANAGERS, "destroy": EVERYBODY},
    "invitation": {**dict.fromkeys(READ, MANAGERS), "create": MANAGERS, "destroy": MANAGERS},
    "client": {
        **_resource(EVERYBODY, CARE, destroy=MANAGERS, timeline=EVERYBODY, duplicates=CARE, quote_merge=MANAGERS, merge=MANAGERS),
        **dict.fromkeys(("export", "erase", "legal_hold"), MANAGERS),
        **dict.fromkeys(("notes", "add_note", "tasks", "add_task", "consents", "add_consent"), CARE),
        **dict.fromkeys(("block", "unblock"), DESK),
    },
    "client-note": dict.fromkeys(("retrieve", "partial_update", "destroy"), CARE),
    "client-task": dict.fromkeys((*READ, "partial_update", "destroy", "done", "reopen"), CARE),
    "blocked-contact": dict.fromkeys((*READ, "create", "destroy"), DESK),
    "custom-field": _resource(EVERYBODY, MANAGERS),
    "segment": _resource(EVERYBODY, DESK, count=EVERYBODY),
    "tag": {"list": EVERYBODY},
    "client-import-upload": {"create": MANAGERS},
    "client-import": dict.fromkeys((*READ, "preview", "commit", "cancel", "undo", "rows", "bad_rows"), MANAGERS),
    "client-export-request": {"create": MANAGERS},
    "client-export": dict.fromkeys((*READ, "download"), MANAGERS),
    "client-merge": {**dict.fromkeys(READ, MANAGERS), "undo": MANAGERS},
    "subject-export": {**dict.fromkeys(READ, MANAGERS), "download": MANAGERS},
    "erasure": {**dict.fromkeys(READ, MANAGERS), "withdraw": MANAGERS},
    "service": _resource(EVERYBODY, MANAGERS),
    "practitioner": _resource(EVERYBODY, MANAGERS),
    "offering": _resource(EVERYBODY, MANAGERS),
    "package": _resource(EVERYBODY, MANAGERS),
    "site": {
        **dict.fromkeys((*READ, "show_transfer"), EVERYBODY),
        **dict.fromkeys(("create", "partial_update", "transfer", "cancel_transfer"), MANAGERS),
    },
    "site-owner": {"list": EVERYBODY, **dict.fromkeys(("create", "destroy", "set_primary"), MANAGERS)},
    "ticket": dict.fromkeys(
        (
            *READ,
            *("create", "partial_update", "assign", "start", "wait", "resolve", "close", "reopen"),
            *("messages", "add_message", "attachments", "add_attachment", "times", "log_time"),
        ),
        CARE,
    ),
    "ticket-attachment": {"retrieve": CARE, "download": CARE, "destroy": DESK},
    **dict.fromkeys(("ticket-category", "sla-target", "support-hours"), _resource(EVERYBODY, MANAGERS)),
    "weekly-hours": _resource(EVERYBODY, MANAGERS),
    "date-override": _resource(EVERYBODY, MANAGERS),
    "time-off": _resource(EVERYBODY, MANAGERS),
    # Practitioners look after their own; the views refuse them those of others.
    "external-calendar": {**_resource(CARE, MANAGERS | {Role.PRACTITIONER}), "refresh": MANAGERS | {Role.PRACTITIONER}},
    # A practitioner's feed is for managers and for themself: the views refuse it to others.
    "calendar-feed": dict.fromkeys((*READ, "create", "destroy", "rotate"), CARE),
    "slot": {"list": EVERYBODY},
    "series": {**dict.fromkeys(READ, EVERYBODY), "quote": CARE, "create": CARE, "quote_change": CARE, "change": CARE},
    "order": {**dict.fromkeys(READ, EVERYBODY), "pay": DESK, **PACKAGE_ACTIONS},
    "client-package": {**dict.fromkeys(READ, EVERYBODY), "create": DESK, "schedule_next": DESK, "pay": DESK, **PACKAGE_ACTIONS},
    "checkout": {"create": DESK},
    "checkout-quote": {"create": DESK},
    "booking": {
        **dict.fromkeys(READ, EVERYBODY),
        **dict.fromkeys(LIFE_OF_A_BOOKING, CARE),
        **dict.fromkeys(("documents", "add_document"), CARE),
    },
    "booking-override": {"use": DESK},  # asked by the actions above for ``override`` and ``waive``
    "document": {"retrieve": CARE, "download": CARE, "partial_update": CARE, "destroy": DESK},
    "occurrence": {"list": EVERYBODY, **dict.fromkeys(("move", "cancel", "quote_cancel"), CARE)},
    "review": {**dict.fromkeys(READ, EVERYBODY), **dict.fromkeys(("publish", "hide", "reply"), DESK)},
    "blog-post": {**_resource(EVERYBODY, MANAGERS), **dict.fromkeys(("publish", "schedule", "archive"), MANAGERS)},
    "comment": {**dict.fromkeys(READ, DESK), **dict.fromkeys(("approve", "reject", "spam", "destroy"), DESK)},
    "faq": _resource(EVERYBODY, MANAGERS),
    "testimonial": _resource(EVERYBODY, MANAGERS),
    "waitlist": _resource(EVERYBODY, CARE, offer=CARE, wake=CARE, candidates=EVERYBODY),
    "waitlist-offer": {**dict.fromkeys(READ, EVERYBODY), "accept": CARE, "decline": CARE},
    "coupon": _resource(EVERYBODY, MANAGERS),
    "deposit-rule": _resource(EVERYBODY, MANAGERS),
    "refund": {**dict.fromkeys(READ, MONEY), **dict.fromkeys(("approve", "mark_sent", "cancel", "check"), REFUNDERS)},
    "dispute": dict.fromkeys(READ, MONEY),
    "wallet": {
        **dict.fromkeys(("retrieve", "transactions", "points"), MONEY),
        **dict.fromkeys(("credit", "debit", "add_points"), MANAGERS),
        "redeem_points": DESK,
    },
    "ledger": dict.fromkeys((*READ, "balances"), REFUNDERS),
    "client-statement": {"statement": MONEY},
    "gift-code": {**dict.fromkeys(READ, MONEY), "create": MANAGERS, "void": MANAGERS, "redeem": DESK},
    "invoice": {**dict.fromkeys((*READ, "pdf"), MONEY), "create": MONEY},
    "credit-note": dict.fromkeys((*READ, "pdf"), MONEY),
    "bank-statement": {"create": MONEY},
    "bank-line": dict.fromkeys((*READ, "match", "ignore"), MONEY),
    "provider-account": {**_resource(OWNERS, OWNERS), "check": OWNERS},
    "provider-event": {**dict.fromkeys(READ, MANAGERS), "process": MANAGERS},
    "webhook-endpoint": {
        **_resource(MANAGERS, OWNERS, rotate_secret=OWNERS),
        **dict.fromkeys(("pause", "resume", "ping", "replay", "event_types"), MANAGERS),
    },
    "webhook-delivery": dict.fromkeys((*READ, "replay"), MANAGERS),
    "notification": {**dict.fromkeys(READ, EVERYBODY), **dict.fromkeys(("destroy", "read", "read_all", "unread_count"), EVERYBODY)},
    "notification-preferences": dict.fromkeys(("retrieve", "partial_update"), EVERYBODY),
    "delivery": {**dict.fromkeys(READ, MANAGERS), "retry": MANAGERS},
    "sender-identity": {"retrieve": MANAGERS, "partial_update": OWNERS},
    "reminder-rule": _resource(EVERYBODY, MANAGERS),
    "reminder": dict.fromkeys(READ, EVERYBODY),
    "notification-stream": {"create": EVERYBODY},
    "payment": {**dict.fromkeys(READ, MONEY), **REFUND_ACTIONS, "mark_received": MONEY, "check": MONEY, "cancel": DESK, "accept": MANAGERS},
}


def outranks(role: str, other: str) -> bool:
    """Whether ``role`` stands above ``other``: owners above managers, managers above the rest, who are equals."""
    return _rank(role) < _rank(other)


def _rank(role: str) -> int:
    return {Role.OWNER: 0, Role.MANAGER: 1}.get(Role(role), 2)


def allows(role: str, basename: str, action: str) -> bool:
    """Whether a member with this role may use this action of this resource."""
    return role in POLICY.get(basename, {}).get(action, frozenset())
