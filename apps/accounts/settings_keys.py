"""What an account can set: a closed list of keys, each with its type and default (docs/settings.md is made from it)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. ``default`` also says the type; ``max_length``, ``pattern`` and ``choices`` are for text, the bounds for numbers."""

    name: str
    default: bool | int | str
    help_text: str
    max_length: int = 0
    pattern: str = ""
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0


KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key(
            "bank_transfer_instructions",
            "",
            "What a client who pays by bank transfer is told: where to send the money.",
            max_length=2000,
        ),
        Key("retention_years", 10, "How many full years documents of business are kept.", minimum=1, maximum=30),
        Key("order_number_prefix", "", "Put in front of every new order number.", max_length=8, pattern=r"[A-Za-z0-9/_-]*"),
        Key("hold_minutes", 15, "How long a hold keeps its time.", minimum=1, maximum=60),
        Key("late_move", "charge", "What a client who moves a session late meets.", choices=("charge", "refuse")),
        Key(
            "free_cancellation_after_move_minutes",
            0,
            "A move by the business of more than this opens free cancellation to the client.",
            maximum=100_000,
        ),
        Key("no_show_tolerance_minutes", 15, "How long after the start a client may be late before it is a no-show.", maximum=1440),
        Key(
            "after_session",
            "nothing",
            "What happens to a confirmed session that nobody has closed 24 hours after its end.",
            choices=("nothing", "complete", "no_show"),
        ),
        Key(
            "expiry_requires",
            "start",
            "What must happen before a package expires: the session starts, or it is booked.",
            choices=("start", "booking"),
        ),
        Key("expiry_warning_days", 14, "How long before its end a client is warned that a package expires.", maximum=365),
        Key(
            "below_minimum",
            "propose",
            "What happens to an occurrence below its minimum: staff are asked, or it is cancelled.",
            choices=("propose", "cancel"),
        ),
        Key("waitlist_mode", "sequential", "How freed time is offered.", choices=("sequential", "broadcast", "off")),
        Key("waitlist_quiet_from", "21:00", "No offers from this local time …", max_length=5, pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]"),
        Key(
            "waitlist_quiet_to", "08:00", "… to this one, unless the start is near.", max_length=5, pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]"
        ),
        Key(
            "reminder_quiet_from",
            "",
            "No reminders from this local time of the client; empty: at any time …",
            max_length=5,
            pattern=r"(([01][0-9]|2[0-3]):[0-5][0-9])?",
        ),
        Key(
            "reminder_quiet_to",
            "",
            "… to this one. What would fall between comes at its end, or before its beginning when the session is too near then.",
            max_length=5,
            pattern=r"(([01][0-9]|2[0-3]):[0-5][0-9])?",
        ),
        Key("document_quota_mb", 1000, "Megabytes that all documents of the account may take.", maximum=1_000_000),
        Key("prices_include_tax", True, "Whether catalogue prices contain the tax; otherwise it is added at the sale."),
        Key(
            "tax_rounding",
            "line",
            "Where tax is rounded: per line, per rate from the sum of nets, or per rate so that the gross stays.",
            choices=("line", "net_sum", "gross_sum"),
        ),
        Key(
            "package_tax_rate",
            "",
            "Tax rate in per cent for what has no service of its own: vouchers, fees, sites.",
            max_length=6,
            pattern=r"([0-9]{1,2}(\.[0-9]{1,2})?|100)?",
        ),
        Key("fees_are_taxed", True, "Whether cancellation, no-show and transfer fees contain tax (at the session's rate)."),
        Key("online_cash", True, "Whether clients may choose to pay on arrival when they buy online."),
        Key("online_bank_transfer", True, "Whether clients may choose bank transfer when they buy online."),
        Key(
            "bank_transfer_hold_days",
            3,
            "Business days for which a start bought online by bank transfer is held; 0: it is not held, and scheduled once the money is here.",
            maximum=30,
        ),
        Key(
            "late_money",
            "keep",
            "Money that comes when its start is gone or its order was cancelled: it stays on the order, becomes credit, or goes back.",
            choices=("keep", "credit", "refund"),
        ),
        Key("balance_due_hours", 0, "How long before the first session the rest after a deposit is due; 0: on arrival.", maximum=8760),
        Key("instalment_days", 30, "Days between the instalments of a payment plan.", minimum=1, maximum=366),
        Key(
            "refund_used_at",
            "share",
            "What used sessions are worth when a package is refunded: their share of its price, or their list price.",
            choices=("share", "list"),
        ),
        Key("refund_forfeited", False, "Whether sessions that expired unused are refunded with the others."),
        Key(
            "refund_approval_above_cents",
            0,
            "Refunds of an order that come to more than this need a second person; 0: none does.",
            maximum=1_000_000_000,
        ),
        Key("wallet_grace_days", 30, "How long credit that comes back to an expired lot can still be used.", maximum=3650),
        Key("gift_months", 36, "Months for which a gift code is valid from the end of its day of sale; 0: without end.", maximum=1200),
        Key("gift_taxed_at_sale", False, "Whether gift codes are single-purpose vouchers, whose sale is taxed (package_tax_rate)."),
        Key("points_per_100_cents", 0, "Points for every 100 cents that a client pays in money.", maximum=10_000),
        Key("point_value_cents", 0, "Credit for one point; 0: points cannot be spent.", maximum=1_000_000),
        Key("referral_points", 0, "Points for bringing a new client; 0: no referral programme.", maximum=1_000_000),
        Key("referral_hold_days", 14, "Days between the new client's first paid order and the reward.", maximum=365),
        Key("referral_monthly_cap", 10, "Rewards per client and calendar month at most.", maximum=10_000),
        Key("referral_lifetime_cap", 100, "Rewards per client at most.", maximum=100_000),
        Key("invoice_when", "paid", "When an invoice is issued by itself.", choices=("paid", "sale", "manual")),
        Key(
            "invoice_series",
            "INV-",
            "Series of invoice numbers; {year} starts a new one every year.",
            max_length=24,
            pattern=r"([A-Za-z0-9/_-]|\{year\})*",
        ),
        Key("credit_note_series", "CN-", "Series of credit note numbers.", max_length=24, pattern=r"([A-Za-z0-9/_-]|\{year\})*"),
        Key("invoice_seller", "", "Name, address and tax number as invoices print them, line by line.", max_length=1000),
        Key("invoice_footer", "", "What stands at the foot of every invoice.", max_length=1000),
        Key("language", "en", "Language of messages to people without a login, who cannot choose one.", choices=("en", "de", "es")),
        Key("comments_open", True, "Whether readers may comment on posts; each post can be closed by itself, too."),
        Key(
            "comment_moderation",
            "newcomers",
            "Whose comments wait until staff have approved them: guests and customers without an approved one, everybody, or nobody.",
            choices=("newcomers", "everybody", "nobody"),
        ),
        Key(
            "practitioners_see_own_clients",
            False,
            "Whether practitioners see only the clients whose owner they are or with whom they have had sessions, and what is about these.",
        ),
        Key("padding_inside_hours", False, "Whether the buffers of a session must lie inside the working hours, too."),
    )
}
