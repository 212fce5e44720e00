"""What can go wrong with money."""

from apps.core.errors import DomainError


class ProviderOff(DomainError):
    """The account has not set up this payment provider, or has switched it off."""

    code = "provider_off"
    default_message = "This payment method is not set up."


class ProviderDown(DomainError):
    """The provider does not answer; nothing is lost, and it is asked again."""

    code = "provider_unavailable"
    status = 503
    default_message = "The payment provider does not answer. Please try again."


class CredentialsRefused(DomainError):
    """The provider does not know these credentials; ``failure`` is its code."""

    code = "credentials_refused"
    default_message = "The payment provider does not know these credentials."


class PaymentFailed(DomainError):
    """The provider has refused; ``failure`` is its code."""

    code = "payment_failed"
    default_message = "The payment provider has refused this."


class AmountMismatch(DomainError):
    """What came in is not what was asked for; nothing was settled."""

    code = "amount_mismatch"
    default_message = "The amount is not the one that is expected."


class RefundExceedsCaptured(DomainError):
    """More than may still go back; ``refundable_cents`` is what may."""

    code = "refund_exceeds_captured"
    default_message = "That is more than can be refunded."


class InsufficientFunds(DomainError):
    """The wallet (or the points) of this client do not cover it; ``available_cents`` is what there is."""

    code = "insufficient_funds"
    default_message = "The wallet does not hold enough."


class ReferralRefused(DomainError):
    """A referral code cannot be entered (any more); ``why`` is `already_invited`, `bought_before` or `own_code`."""

    code = "referral_refused"
    default_message = "This referral code cannot be used."


class NoWallet(DomainError):
    """Only a client with a login has a wallet."""

    code = "no_wallet"
    default_message = "This client has no login, and so no wallet."


class GiftCodeRefused(DomainError):
    """The code is not one of this business that can be redeemed (any more). It does not say which, so that codes cannot be tried out."""

    code = "gift_code_refused"
    default_message = "This gift code cannot be redeemed."


class GiftCodeRedeemed(DomainError):
    """What this gift code was sold for cannot go back: somebody has its credit. While none of that is spent, voiding the code takes it
    back; then the sale can be refunded.
    """

    code = "gift_code_redeemed"
    default_message = "This gift code has been redeemed. It can be refunded only after it was made void, while none of its credit is spent."


class CouponRefused(DomainError):
    """``why``: unknown, inactive (told to staff only), not_yet, expired, not_for_this, too_small (``minimum_cents``), used_up, not_first."""

    code = "coupon_refused"
    default_message = "There is no coupon with this code."


class NothingToPay(DomainError):
    """The order is paid, or was cancelled."""

    code = "nothing_to_pay"
    default_message = "There is nothing to pay on this order."


class NothingToInvoice(DomainError):
    """Every line of this order is on a document already."""

    code = "nothing_to_invoice"
    default_message = "Every line of this order has been invoiced."


class InvoiceNumberTaken(DomainError):
    """Two series of the account spell the same number; one of them has to be renamed in the settings."""

    code = "invoice_number_taken"
    default_message = "Another series has this number already. Change the series in the settings."


class NeedsSecondPerson(DomainError):
    """Whoever asked for a refund above the account's limit cannot approve it."""

    code = "needs_second_person"
    default_message = "A refund of this size is approved by somebody else."


class SignatureRefused(DomainError):
    """An event that is not proven to come from the provider, or not now. Nothing was stored."""

    code = "signature_invalid"
    status = 400
    default_message = "The signature of this event is not valid."
