"""Staff's view of payment providers: the account's credentials there, what they told us, and payments that wait for them."""

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.core.api.doors import ListMixin, RetrieveMixin, refused_by_database
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer
from apps.core.errors import InvalidTransition
from apps.core.events import acting
from apps.payments.adapters.base import ProviderRefused, ProviderUnavailable
from apps.payments.errors import PaymentFailed, ProviderDown
from apps.payments.models import OPEN, PROVIDERS, Payment, Provider, ProviderAccount, ProviderEvent
from apps.payments.services.inbox import ignore_event, process_event, says_something
from apps.payments.services.online import accept_payment, recheck_payment
from apps.payments.services.provider_accounts import (
    change_provider,
    check_provider,
    kept_secrets,
    refuse_without_secrets,
    remove_provider,
    set_up_provider,
)
from apps.payments.services.settling import end_waiting


class NothingToSay(InputSerializer):
    """Nothing to send."""


# -- payments


class OnlinePayments:
    """What staff may do with a payment that is made at a provider."""

    def _doing(self: Any) -> Any:
        """Calls are made between the request's transactions, where nobody is acting any more."""
        return acting(self.caller.pk, self.role)

    def _payment(self: Any, state: dict[str, Any]) -> Response:
        return Response(self.represent(state["payment"]))

    def _ask(self: Any, state: dict[str, Any]) -> None:
        with self._doing():
            recheck_payment(state["account"], state["payment"])

    @extend_schema(request=NothingToSay)
    @action(detail=True, methods=["post"])
    def check(self: Any, request: Request, pk: str) -> Response:
        """Ask the provider now how a payment stands; the answer shows what became of it. A provider that is silent changes nothing.

        409 `invalid_transition` for cash and transfers, and for what has come in.
        """

        def begin() -> dict[str, Any]:
            payment = self.get_object()
            self.validated(NothingToSay, request)
            if payment.method not in PROVIDERS or payment.status == Payment.Status.SUCCEEDED:
                raise InvalidTransition("There is nothing to ask about this payment.", allowed_actions=[])
            return {"account": self.account.pk, "payment": payment.pk}

        return self.in_stages(begin, self._ask, self._payment)

    @extend_schema(request=NothingToSay)
    @action(detail=True, methods=["post"])
    def cancel(self: Any, request: Request, pk: str) -> Response:
        """Stop waiting for a payment; the provider is told first, where it knows about it. The start that was held is free again.

        When the money was faster the payment comes back `succeeded`; when the provider is silent it is still open, and is stopped
        by itself later. A sale that its client made online and that has got no money is given up. 409 `invalid_transition`.
        """

        def begin() -> dict[str, Any] | Response:
            payment = self.get_object()
            self.validated(NothingToSay, request)
            if payment.status not in OPEN:
                raise InvalidTransition("This payment has come in or has ended.", allowed_actions=[])
            state = {"account": self.account.pk, "payment": payment.pk}
            return state if end_waiting(payment).status in OPEN else self._payment(state)

        return self.in_stages(begin, self._ask, self._payment)

    @extend_schema(request=NothingToSay)
    @action(detail=True, methods=["post"])
    def accept(self: Any, request: Request, pk: str) -> Response:
        """You have looked at a payment that was put aside (`review`), and it is right.

        `amount_mismatch`: it is settled for the amount that the provider has. `refunded_elsewhere`: what was given back on the provider's
        own pages becomes a refund here. Anything else that was said of a payment that `succeeded` is closed. 409 `amount_mismatch` for
        more than the order still needs, `refund_exceeds_captured` while a dispute holds the rest, `invalid_transition` for every other
        payment.
        """

        def begin() -> dict[str, Any]:
            payment = self.get_object()
            self.validated(NothingToSay, request)
            came_in = payment.status == Payment.Status.SUCCEEDED and payment.method in PROVIDERS
            if not payment.review or not (came_in or payment.review == "amount_mismatch"):
                raise InvalidTransition("Only what came in and was put aside can be accepted.", allowed_actions=[])
            return {"account": self.account.pk, "payment": payment.pk}

        def outside(state: dict[str, Any]) -> None:
            try:
                with self._doing():
                    accept_payment(state["account"], state["payment"])
            except ProviderUnavailable as error:
                raise ProviderDown from error
            except ProviderRefused as refusal:
                raise PaymentFailed(failure=refusal.code) from refusal

        return self.in_stages(begin, outside, self._payment)


ONLINE_ACTIONS = frozenset({"check", "cancel", "accept"})


# -- provider-accounts/


class SecretSerializer(serializers.Serializer):
    """A secret that is never shown: whether there is one, and its last four characters."""

    name = serializers.CharField()
    is_set = serializers.BooleanField()
    last4 = serializers.CharField()


def _secrets(provider: str, secrets: str) -> list[dict[str, Any]]:
    return [{"name": one.name, "is_set": one.is_set, "last4": one.last4} for one in kept_secrets(provider, secrets)]


class ProviderAccountSerializer(ResourceSerializer):
    """The account's own credentials at a payment provider. Secrets go in through ``credentials`` and never come out."""

    secrets = Computed(
        _secrets,
        needs=["provider", "secrets"],
        schema=SecretSerializer(many=True, read_only=True),
        help_text="Which secrets are set, and how they end.",
    )
    webhook_path = Computed(
        lambda provider, slug: f"/api/webhooks/{provider}/{slug}/",
        needs=["provider", "account__slug"],
        schema=serializers.CharField(read_only=True),
        help_text="Where the provider has to send its events: this path at the address of this API.",
    )

    class Meta:
        model = ProviderAccount
        fields: ClassVar = [
            "id",
            "provider",
            "public",
            "secrets",
            "payee",
            "is_active",
            "checked_at",
            "webhook_path",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class CredentialsField(serializers.DictField):
    """{name: value} of credentials."""

    child = serializers.CharField(max_length=500, allow_blank=True)


WORDS = "`publishable_key`, `secret_key`, `webhook_secret`, `previous_webhook_secret` (Stripe); `client_id`, `client_secret`, "
WORDS += "`merchant_id`, `webhook_id` (PayPal). Others are refused."


class ProviderAccountInput(InputSerializer):
    """A provider with the account's own credentials."""

    provider = serializers.ChoiceField(choices=Provider.choices)
    credentials = CredentialsField(help_text=WORDS)
    is_active = serializers.BooleanField(default=True)


class ProviderAccountChange(InputSerializer):
    """What to change: only the credentials that are sent are replaced, an empty one is forgotten."""

    credentials = CredentialsField(required=False, help_text=WORDS)
    is_active = serializers.BooleanField(required=False, help_text="Off: nothing new is paid there; what was begun is still asked about.")


class ProviderAccountViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Payment providers of the account. Without one, nobody can pay with its method."""

    model = ProviderAccount
    serializer_class = ProviderAccountSerializer
    http_method_names: ClassVar = ["get", "post", "patch", "delete", "head", "options"]
    staged = frozenset({"check"})
    idempotent = frozenset({"check"})

    @extend_schema(request=ProviderAccountInput, responses={201: ProviderAccountSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Set a provider up, one of each. 400 for credentials that it does not have."""
        data = self.validated(ProviderAccountInput, request)
        with refused_by_database(ProviderAccount):
            found = set_up_provider(**data)
        return Response(self.represent(found.pk), status=status.HTTP_201_CREATED)

    @extend_schema(request=ProviderAccountChange)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Replace credentials, or switch the provider on or off."""
        found = self.get_object()
        change_provider(found, **self.validated(ProviderAccountChange, request))
        return Response(self.represent(found.pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Forget a provider. 409 `in_use` while payments or refunds are on their way there."""
        remove_provider(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=NothingToSay)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str) -> Response:
        """Ask the provider whether it knows these credentials; keeps `payee` and `checked_at`.

        409 `credentials_refused` with its code in `failure`, 503 `provider_unavailable`.
        """

        def begin() -> dict[str, Any]:
            found = self.get_object()
            self.validated(NothingToSay, request)
            refuse_without_secrets(found)
            return {"account": self.account.pk, "provider_account": found.pk}

        def outside(state: dict[str, Any]) -> None:
            check_provider(state["account"], state["provider_account"])

        return self.in_stages(begin, outside, lambda state: Response(self.represent(state["provider_account"])))


# -- provider-events/


class ProviderEventSerializer(ResourceSerializer):
    """What a provider told us, once. Its body holds secrets of clients and is not shown.

    `quarantined` contradicts what we know (`note` says in what), `failed` is tried again, `ignored` is about nothing of ours.
    """

    class Meta:
        model = ProviderEvent
        fields: ClassVar = [
            "id",
            "provider",
            "event_id",
            "type",
            "subject",
            "reference",
            "status",
            "note",
            "attempts",
            "payment",
            "processed_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class ProviderEventFilter(FilterSet):
    provider = filters.ChoiceFilter(choices=Provider.choices)
    status = filters.ChoiceFilter(choices=ProviderEvent.Status.choices)
    payment = ScopedChoiceFilter(model=Payment)

    class Meta:
        model = ProviderEvent
        fields: ClassVar[list[str]] = []


class ProviderEventViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Events that payment providers have sent to this account."""

    model = ProviderEvent
    serializer_class = ProviderEventSerializer
    filterset_class = ProviderEventFilter
    staged = frozenset({"process"})
    idempotent = frozenset({"process"})

    @extend_schema(request=NothingToSay)
    @action(detail=True, methods=["post"])
    def process(self, request: Request, pk: str) -> Response:
        """Process an event again, now: what it is about is read at the provider. Repeating it changes nothing."""

        def begin() -> dict[str, Any] | Response:
            event = self.get_object()
            self.validated(NothingToSay, request)
            if says_something(event):
                return {"account": self.account.pk, "event": event.pk}
            ignore_event(event)
            return Response(self.represent(event.pk))

        def outside(state: dict[str, Any]) -> None:
            with acting(self.caller.pk, self.role):
                process_event(state["account"], state["event"], again=True)

        return self.in_stages(begin, outside, lambda state: Response(self.represent(state["event"])))
