"""What can happen to money. Every row of a status table here, and every movement in the ledger, says one of these."""

from apps.core.events import declare

STATE = ("status", "failure")

declare(
    "payments.payment",
    {
        "payment.pending": ("It is waited for: at the provider, by bank transfer or in cash.", STATE),
        "payment.requires_action": ("The client has to do something at the provider (enter a card, approve).", STATE),
        "payment.authorized": ("The provider, or the wallet, has set the money aside.", STATE),
        "payment.succeeded": ("The money is here.", ("status", "captured_cents")),
        "payment.failed": ("An attempt failed; `status` says whether another one is possible.", STATE),
        "payment.cancelled": ("It is not waited for any more.", STATE),
        "payment.unknown": ("The provider did not answer; it is asked again.", STATE),
        "payment.unanswered": ("The provider was asked for days without an answer; staff have to look.", STATE),
        "payment.extended": ("It is waited for longer.", ("expires_at",)),
        "payment.overdue": ("It did not come in time: its start is not kept any longer.", ("expires_at",)),
        "payment.start_lost": ("The money came, but its start is gone.", ("start_time", "why")),
        "payment.left_over": ("The money came when nobody waited for it any more.", ("is_late", "payment_status")),
        "payment.quarantined": ("What the provider says contradicts what we know; staff have to look.", ("review",)),
        "payment.reviewed": ("Somebody has looked.", ("review",)),
        "payment.accepted": ("Staff accepted the amount that came instead of the one that was due.", ("amount_cents",)),
    },
)
declare(
    "payments.refund",
    {
        "refund.requested": ("It waits for a second person.", ("status", "amount_cents")),
        "refund.approved": ("The second person agreed.", ("approved_by",)),
        "refund.pending": ("It is on its way, or has to be sent by hand.", ("status", "failure", "gave_up")),
        "refund.unknown": ("The provider did not answer; it is asked again.", ("status", "failure", "gave_up")),
        "refund.succeeded": ("The money went back.", ("status", "amount_cents")),
        "refund.failed": ("It did not go back.", STATE),
        "refund.cancelled": ("It was called off.", STATE),
        "refund.quarantined": ("What the provider says contradicts what we know; staff have to look.", ("failure",)),
    },
)
declare(
    "payments.dispute",
    {
        "dispute.opened": (
            "A client's bank wants the money back: the order is frozen.",
            ("status", "amount_cents", "claimed_cents", "reason"),
        ),
        "dispute.won": ("The money stays, or came back.", ("status",)),
        "dispute.lost": ("The money is gone.", ("status",)),
    },
)
declare(
    "payments.invoice",
    {
        "invoice.issued": ("An invoice was written.", ("number", "total_cents")),
        "credit_note.issued": ("A credit note was written.", ("number", "total_cents")),
    },
)
declare(
    "payments.coupon",
    {
        "coupon.used": ("An order used it.", ("order", "amount_cents")),
        "coupon.returned": ("The order does not use it after all.", ("order", "amount_cents")),
    },
)
declare(
    "payments.giftcode",
    {
        "gift_code.issued": ("It exists; it can be redeemed once it is active.", ("amount_cents", "status")),
        "gift_code.reissued": ("It has a new code; the old one is void.", ("last4",)),
        "gift_code.active": ("It is paid, and can be redeemed.", ("status",)),
        "gift_code.inactive": ("Its payment went back: it cannot be redeemed for now.", ("status",)),
        "gift_code.redeemed": ("Its amount is credit of the client who redeemed it.", ("status",)),
        "gift_code.void": ("It cannot be redeemed any more.", ("status",)),
        "gift_code.expired": ("Its end has passed.", ("status",)),
        "gift_code.spent": ("Its order was refunded after it had been redeemed.", ("order",)),
    },
)
BALANCE = ("balance_cents",)
declare(
    "payments.walletlot",
    {
        "wallet.credited": ("Credit was put in; the subject is the new lot.", BALANCE),
        "wallet.expired": ("Credit has ended unused.", ("remaining_cents",)),
    },
)
declare("payments.wallettransaction", {"wallet.debited": ("Credit was taken out.", BALANCE)})
declare(
    "payments.pointsentry",
    {"points.changed": ("Points were earned, spent, corrected or taken back.", ("points", "kind"))},
)
declare(
    "payments.referralreward",
    {
        "referral.pending": ("A new client's first order was paid; the reward waits.", ("points",)),
        "referral.granted": ("Whoever brought them has the points.", ("status", "why")),
        "referral.refused": ("There is no reward.", ("status", "why")),
        "referral.clawed_back": ("The order was refunded: the points are taken back.", ("status",)),
    },
)
declare(
    "payments.bankline",
    {
        "bank_line.matched": ("A line of a bank statement settled a payment.", ("status", "payment")),
        "bank_line.ignored": ("Staff set a line aside.", ("status",)),
    },
    public=False,
)
declare(
    "payments.provideraccount",
    {
        "provider_account.created": (
            "A payment provider was set up; only the names of its credentials are told.",
            ("provider", "credentials"),
        ),
        "provider_account.changed": ("Its credentials changed, or it was switched on or off.", ("credentials", "is_active")),
        "provider_account.removed": ("It was removed.", ("provider",)),
    },
    public=False,
)
