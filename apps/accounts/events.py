"""What can happen to an account and its members."""

from apps.core.events import ANY, declare

declare(
    "accounts.account",
    {
        "account.created": ("A business was opened; whoever did it owns it.", ("name", "owner")),
        "account.changed": ("Its own data or its settings changed (settings as `settings.<key>`).", (ANY,)),
    },
    public=False,
)
declare(
    "accounts.membership",
    {
        "membership.changed": ("A member has another role, or was switched on or off.", ("role", "is_active")),
        "membership.removed": ("Somebody is no member any more.", ("user", "role")),
    },
    public=False,
)
declare(
    "accounts.invitation",
    {
        "invitation.created": ("Somebody was asked to become a member.", ("role",)),
        "invitation.accepted": ("They have become one.", ("accepted_by",)),
        "invitation.revoked": ("The invitation was taken back.", ()),
    },
    public=False,
)
