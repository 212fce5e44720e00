"""What can happen to webhooks. Addresses may hold secrets of the receiver: the log knows their hosts only."""

from apps.core.events import declare

STATE = ("state", "state_reason")

declare(
    "integrations.webhookendpoint",
    {
        "webhook_endpoint.created": ("Somebody else's server is told what happens from now on.", ("host", "event_types")),
        "webhook_endpoint.changed": (
            "Its address, its description or what it is told was changed.",
            ("host", "description", "event_types"),
        ),
        "webhook_endpoint.secret_rotated": ("It has a new signing secret; the old one signs, too, until then.", ("previous_secret_until",)),
        "webhook_endpoint.paused": ("Nothing is sent to it any more: it failed for too long, or staff stopped it.", STATE),
        "webhook_endpoint.disabled": ("Nothing is sent to it any more: it answered that it is gone.", STATE),
        "webhook_endpoint.resumed": ("Events are sent to it again.", STATE),
        "webhook_endpoint.replayed": ("Events were sent to it again on request.", ("deliveries",)),
        "webhook_endpoint.removed": ("It was removed.", ("host",)),
    },
    public=False,
)
declare("integrations.webhookendpoint", {"webhook.test": ("A test that staff sent to this endpoint; only this one gets it.", ())})
declare(
    "integrations.calendarfeed",
    {
        "calendar_feed.created": ("Sessions of a practitioner or a client can be read at a secret address.", ("detail", "label")),
        "calendar_feed.rotated": ("Its address was replaced; the old one is dead.", ()),
        "calendar_feed.revoked": ("Its address is dead.", ("revoked_at",)),
    },
    public=False,
)
