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

# What may be done with a package that a client owns, at orders/ and at client-packages/ alike.
PACKAGE_ACTIONS = {
    **dict.fromkeys(("pause", "quote_pause", "resume", "transfer", "quote_transfer"), DESK),
    **dict.fromkeys(("extend", "grant"), MANAGERS),
}


def _resource(read: frozenset[Role], write: frozenset[Role], **actions: frozenset[Role]) -> dict[str, frozenset[Role]]:
    return {**dict.fromkeys(READ, read), **dict.fromkeys(WRITE, write), **actions}


POLICY: dict[str, dict[str, frozenset[Role]]] = {
    "event": {"retrieve": MANAGERS},  # the admin's log page; no route yet
    "account": {"retrieve": EVERYBODY, "partial_update": OWNERS, "destroy": OWNERS},
    "account-settings": {"retrieve": EVERYBODY, "partial_update": MANAGERS},
    # Everybody may leave; whom else a member may change or remove is for apps.accounts.services.members to say.
    "member": {**dict.fromkeys(READ, EVERYBODY), "partial_update": MANAGERS, "destroy": EVERYBODY},
    "invitation": {**dict.fromkeys(READ, MANAGERS), "create": MANAGERS, "destroy": MANAGERS},
    "client": _resource(EVERYBODY, CARE, destroy=MANAGERS),
    "service": _resource(EVERYBODY, MANAGERS),
    "practitioner": _resource(EVERYBODY, MANAGERS),
    "offering": _resource(EVERYBODY, MANAGERS),
    "package": _resource(EVERYBODY, MANAGERS),
    "weekly-hours": _resource(EVERYBODY, MANAGERS),
    "date-override": _resource(EVERYBODY, MANAGERS),
    "time-off": _resource(EVERYBODY, MANAGERS),
    "slot": {"list": EVERYBODY},
    "series": {**dict.fromkeys(READ, EVERYBODY), "quote": CARE, "create": CARE, "quote_change": CARE, "change": CARE},
    "order": {**dict.fromkeys(READ, EVERYBODY), **PACKAGE_ACTIONS},
    "client-package": {**dict.fromkeys(READ, EVERYBODY), "create": DESK, "schedule_next": DESK, **PACKAGE_ACTIONS},
    "checkout": {"create": DESK},
    "booking": {
        **dict.fromkeys(READ, EVERYBODY),
        **dict.fromkeys(LIFE_OF_A_BOOKING, CARE),
        **dict.fromkeys(("documents", "add_document"), CARE),
    },
    "booking-override": {"use": DESK},  # asked by the actions above for ``override`` and ``waive``
    "document": {"retrieve": CARE, "download": CARE, "partial_update": CARE, "destroy": DESK},
    "occurrence": {"list": EVERYBODY, **dict.fromkeys(("move", "cancel", "quote_cancel"), CARE)},
    "review": {**dict.fromkeys(READ, EVERYBODY), **dict.fromkeys(("publish", "hide", "reply"), DESK)},
    "waitlist": _resource(EVERYBODY, CARE, offer=CARE, wake=CARE, candidates=EVERYBODY),
    "waitlist-offer": {**dict.fromkeys(READ, EVERYBODY), "accept": CARE, "decline": CARE},
    "payment": {**dict.fromkeys(READ, MONEY), "mark_received": MONEY},
}


def outranks(role: str, other: str) -> bool:
    """Whether ``role`` stands above ``other``: owners above managers, managers above the rest, who are equals."""
    return _rank(role) < _rank(other)


def _rank(role: str) -> int:
    return {Role.OWNER: 0, Role.MANAGER: 1}.get(Role(role), 2)


def allows(role: str, basename: str, action: str) -> bool:
    """Whether a member with this role may use this action of this resource."""
    return role in POLICY.get(basename, {}).get(action, frozenset())
