"""What can happen to an order. Two states go their own ways: ``status`` follows sessions and dates, ``payment_status`` the money."""

from apps.core.events import declare

STATUS, PAYMENT, PAUSE = ("status",), ("payment_status",), ("first_day", "last_day", "expires_at", "reason")

declare(
    "orders.order",
    {
        "order.placed": ("Something was sold.", ("total_amount_cents", "sessions")),
        "order.reserved": ("Sold for a waitlist offer alone; placed with the yes, cancelled without.", ("total_amount_cents", "sessions")),
        "order.changed": ("A line was added (fee, price taken back …), so the total changed.", ("total_amount_cents", "line")),
        "order.activated": ("Its first session was scheduled or held, which starts its validity.", ("expires_at",)),
        "order.paused": ("A pause has begun: nothing can be scheduled.", STATUS),
        "order.resumed": ("The pause is over.", STATUS),
        "order.expiring": ("It ends soon and has sessions left; said once per end.", ("expires_at", "sessions")),
        "order.expired": ("Its end has passed with sessions left.", STATUS),
        "order.completed": ("All its sessions are done, or its site belongs to the client.", STATUS),
        "order.cancelled": ("All its sessions were cancelled, or its sale was given up.", STATUS),
        "order.reopened": ("It has sessions to use again, after it had ended.", STATUS),
        "order.extended": ("Its end was moved; `sessions` are those that came back to life.", ("expires_at", "reason", "sessions")),
        "order.pause_added": ("A pause was entered.", (*PAUSE, "returned")),
        "order.pause_ended": ("A pause was ended early.", (*PAUSE, "kept", "taken_back")),
        "order.pause_removed": ("A pause that had not begun was taken back.", (*PAUSE, "kept", "taken_back")),
        "order.transferred": (
            "Sessions went to another client's new order; said of both orders.",
            ("to_order", "from_order", "sessions", "fee_cents", "reason", "override"),
        ),
        "order.unpaid": ("Nothing is paid (any more).", PAYMENT),
        "order.part_paid": ("A part is paid.", PAYMENT),
        "order.paid": ("All of it is paid.", PAYMENT),
        "order.overpaid": ("More than its price is paid.", PAYMENT),
        "order.refunded": ("All that was paid went back.", PAYMENT),
        "order.site_waiting": (
            "All of it is paid, but the site cannot be handed over: `why` is email_unverified, no_email, login_inactive, owned, archived or disputed.",
            ("why",),
        ),
        "order.site_kept": ("All that was paid for a site went back, and its client still owns it.", ("site",)),
        "order.frozen": ("Its money is disputed: its sessions cannot be used.", ("frozen_at",)),
        "order.thawed": ("They can be used again.", ("frozen_at",)),
    },
)
