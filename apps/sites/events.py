"""What can happen to a website and to whom it belongs."""

from apps.core.events import ANY, declare

declare(
    "sites.site",
    {
        "site.created": ("A website was entered.", ()),
        "site.updated": ("Data of the website changed; the keys are the fields.", (ANY,)),
        "site.archived": ("It is out of use: its owners no longer see it.", ("status",)),
        "site.restored": ("It is in use again.", ("status",)),
    },
)
declare(
    "sites.siteownership",
    {
        "site.owner_added": ("A site belongs to a customer now; `origin` is staff, sale, transfer or import.", ("site", "role", "origin")),
        "site.owner_removed": ("A site no longer belongs to a customer, who loses sight of it.", ("site", "role", "ended_at")),
        "site.role_changed": ("A collaborator became an owner, or the other way round.", ("site", "role")),
        "site.primary_changed": ("This is the customer's primary site now; `site` is [the one before, this one].", ("site",)),
    },
)
declare(
    "sites.sitetransfer",
    {
        "site.transfer_offered": ("A site is offered to a new owner, who has to agree.", ("site", "expires_at")),
        "site.transferred": ("The new owner agreed: the site is theirs.", ("site", "status")),
        "site.transfer_declined": ("The new owner said no.", ("site", "status")),
        "site.transfer_cancelled": ("The offer was taken back, or what it was about has changed.", ("site", "status")),
        "site.transfer_lapsed": ("Nobody answered in time.", ("site", "status")),
    },
)
