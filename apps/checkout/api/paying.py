"""What doors of clients share about a payment that its provider has to be told of."""

from typing import Any

from rest_framework import serializers

from apps.checkout.api.staff.serializers import InstructionsSerializer
from apps.core.api.reading import Computed
from apps.payments.models import OPEN, PROVIDERS, Payment
from apps.payments.services.online import Begun, begin_payment, recheck_payment


def _instructions(method: str, status: str, reference: str, amount: int, currency: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    if method != Payment.Method.BANK_TRANSFER or status != Payment.Status.PENDING:
        return None
    return {"reference": reference, "amount_cents": amount, "currency": currency, "text": settings.get("bank_transfer_instructions", "")}


def instructions() -> Computed:
    """The field of a payment that says how to send the money."""
    return Computed(
        _instructions,
        needs=["method", "status", "reference", "amount_cents", "currency", "account__settings"],
        schema=InstructionsSerializer(allow_null=True, read_only=True),
        help_text="Of a bank transfer that has not arrived: what the client has to send. Otherwise null.",
    )


class BegunFields(serializers.Serializer):
    """What the client's browser needs for a payment that was just begun. What a method does not need is left out."""

    client_secret = serializers.CharField(required=False, help_text="Stripe: for Stripe.js, with which the client enters a card.")
    publishable_key = serializers.CharField(required=False, help_text="Stripe: the business's key for Stripe.js.")
    approve_url = serializers.CharField(required=False, help_text="PayPal: where the client agrees. Send the browser there.")


def needs_provider(payment: Payment | None) -> bool:
    """Whether somebody else's server has to be told about it, or asked."""
    return payment is not None and payment.method in PROVIDERS and payment.status in OPEN


class Paying:
    """The stages of a request in which a provider is told or asked; see ``Door.in_stages``."""

    answer: Begun | None = None

    def tell_provider(self, state: dict[str, Any]) -> None:
        """Begin the payment where the money is to come from; repeatable."""
        self.answer = begin_payment(state["account"], state["payment"], return_url=state["return_url"])

    def ask_provider(self, state: dict[str, Any]) -> str:
        """Settle what the provider says now; the payment's status. Repeatable."""
        return recheck_payment(state["account"], state["payment"])

    def with_answer(self, payment: dict[str, Any]) -> dict[str, Any]:
        """The payment as it is shown, with what its provider gave us for the browser."""
        names = ("client_secret", "publishable_key", "approve_url")
        given = {name: getattr(self.answer, name) for name in names} if self.answer is not None else {}
        return {**payment, **{name: value for name, value in given.items() if value}}
