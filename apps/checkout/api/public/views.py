from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import PublicDoor
from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.models import Side
from apps.checkout.api.paying import Paying, needs_provider
from apps.checkout.api.public.examples import CARD, CHECKOUT, PAYMENT, QUOTE, SALE
from apps.checkout.api.public.serializers import (
    CardSerializer,
    ConfirmedPaymentSerializer,
    ConfirmInput,
    PublicCheckoutInput,
    PublicOrderSerializer,
    PublicPaymentSerializer,
    PublicPaymentState,
    PublicQuoteInput,
    PublicSaleSerializer,
    card_of,
    payment_in,
)
from apps.checkout.api.staff.quote import SaleQuoteSerializer
from apps.checkout.quoting import quote_sale
from apps.checkout.selectors import methods_online
from apps.checkout.visitors import Visitor, client_of_visitor, sell_online
from apps.core.api import reading
from apps.core.api.limits import Allowance, give_back
from apps.core.errors import NotFound
from apps.orders.models import Order
from apps.payments.models import PROVIDERS, Payment

HOUR, DAY = 3600, 86_400
PURCHASES = Allowance("checkout", 20)
"""Of guests, per network and hour."""
HELD = Allowance("held", 20)
"""Starts that are held for guests at the same time, per network (security T06); per client there are five."""
QUOTES = Allowance("quote", 100)
"""Per caller and hour: a quote says whether a coupon code is right."""
CONFIRMATIONS = Allowance("confirm", 30)
"""Per payment and hour: each one asks a provider."""


class PublicAccountView(PublicDoor):
    """The business card."""

    model = Account
    serializer_class = CardSerializer
    max_age = 60

    @extend_schema(responses=CardSerializer, examples=[OpenApiExample("A studio in Berlin", value=CARD, response_only=True)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Who this is, in which time zone and currency, and how one can pay online."""
        said = {name: setting(self.account, name) for name in ("prices_include_tax", "referral_points")}
        return Response(card_of(self.account, methods_online(self.account), **said))


class PublicCheckoutViewSet(Paying, PublicDoor):
    """Buying. With a customer's token it is bought as that person, otherwise as a guest."""

    model = Order
    serializer_class = PublicSaleSerializer
    idempotent = frozenset({"create"})
    staged = frozenset({"create"})

    @extend_schema(
        request=PublicCheckoutInput,
        responses={201: PublicSaleSerializer},
        examples=[
            OpenApiExample("A guest books a start by card", value=CHECKOUT, request_only=True),
            OpenApiExample("Held until it is paid", value=SALE, response_only=True, status_codes=["201"]),
        ],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Buy a package or a session, with a time for the first session or without, or a website.

        Send an `Idempotency-Key`, and the same one again when the connection breaks. By `stripe` and `paypal` (and `bank_transfer`, where
        the business allows it) the start is held until `hold_expires_at`; paid with `cash`, on arrival, it is confirmed. With
        `stripe` hand `client_secret` and `publishable_key` to Stripe.js, with `paypal` send the browser to `approve_url`; then POST
        `payments/{token}/confirm/`. A payment with status `unknown` has got no answer from its provider yet: confirm it a little later.

        409 `slot_taken`, `outside_hours`, `limit_reached` (with `alternatives`), `notice_too_short`, `beyond_horizon`, `package_empty`,
        `not_for_sale`, `coupon_refused`, `method_not_offered`, `provider_off`, `no_wallet`, `insufficient_funds`; then nothing is
        written. A site is kept for whoever has ordered it until it is paid or its payment has lapsed; 409 `duplicate_ownership` when it is
        yours already, 401 `not_authenticated` for a guest whose address belongs to a login. 429 `rate_limited`: a network may buy twenty times an hour without signing in.
        """
        return self.in_stages(self._begin, self.tell_provider, self._sold)

    def _begin(self) -> dict[str, Any] | Response:
        data = self.validated(PublicCheckoutInput, self.request)
        return_url = data.pop("return_url")
        visitor = Visitor(self.buyer, *(data.pop(name, "") for name in ("full_name", "email", "phone_number")))
        place = self._place(data)
        try:
            sale = sell_online(account=self.account, visitor=visitor, inviter=data.pop("referral_code"), **data)
        except BaseException:  # also a worker that is told to stop: nothing was sold, so nothing is held
            if place is not None:
                give_back(place)
            raise
        state = {
            "account": self.account.pk,
            "order": sale.order.pk,
            "payment": sale.payment and sale.payment.pk,
            "credit_cents": sale.credit.amount_cents if sale.credit else 0,
            "return_url": return_url,
        }
        return state if needs_provider(sale.payment) else self._sold(state)

    def _place(self, data: dict[str, Any]) -> str | None:
        """Count what a guest wants; the place of a start that will be held for them, if one will be."""
        if self.buyer is not None:
            return None
        PURCHASES.take(self.counted_as, seconds=HOUR)
        if (data["start_time"] is None and data["site"] is None) or data["method"] not in (*PROVIDERS, Payment.Method.BANK_TRANSFER):
            return None
        days = setting(self.account, "bank_transfer_hold_days")
        minutes = setting(self.account, "hold_minutes")
        held = 60 * minutes if data["method"] in PROVIDERS else DAY * (days + 2 * (days // 5 + 1))  # weekends do not count
        return HELD.take(self.counted_as, seconds=held)

    def _sold(self, state: dict[str, Any]) -> Response:
        order = reading.represent(PublicOrderSerializer, Order.objects.filter(pk=state["order"]))[0]
        payment = None
        if state["payment"]:
            payment = self.with_answer(reading.represent(PublicPaymentState, Payment.objects.filter(pk=state["payment"]))[0])
        body = {"order": order, "payment": payment, "credit_cents": state["credit_cents"]}
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=PublicQuoteInput,
        responses=SaleQuoteSerializer,
        examples=[
            OpenApiExample("A package with a coupon", value={"package": 3, "coupon": "SPRING"}, request_only=True),
            OpenApiExample("Its price", value=QUOTE, response_only=True),
        ],
    )
    @action(detail=False, methods=["post"])
    def quote(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What a purchase would cost: prices, discount, tax, and what would be due when. Nothing is written.

        409 `package_empty`, `not_for_sale`, `duplicate_ownership`, `coupon_refused`.
        """
        data = self.validated(PublicQuoteInput, request)
        QUOTES.take(self.counted_as, seconds=HOUR)
        client = client_of_visitor(self.account, Visitor(self.buyer))
        return Response(quote_sale(account=self.account, client=client, by=Side.CLIENT, **data))


class PublicPaymentViewSet(Paying, PublicDoor):
    """One payment, for whoever holds its token: the buyer's browser, after it has been at the provider."""

    model = Payment
    serializer_class = PublicPaymentSerializer
    lookup_field = "token"
    staged = frozenset({"confirm"})

    @extend_schema(responses=PublicPaymentSerializer, examples=[OpenApiExample("Paid", value=PAYMENT, response_only=True)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How this payment stands, and what was bought with it. Nobody is asked for it: see `confirm/`."""
        return self._shown(self._payment())

    @extend_schema(request=ConfirmInput, responses=ConfirmedPaymentSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The browser is back from Stripe.js or PayPal, or the provider did not answer at checkout (`unknown`): ask it now, and say so.

        `succeeded` has booked the held start. `pending` is not decided yet, `failed` and `cancelled` are over. `requires_action` has
        still to be paid: with the `client_secret` or `approve_url` that come along. Each call asks the provider and may take some
        seconds; 30 an hour for one payment, then 429 `rate_limited` with `retry_after`. To wait for `pending`, read the payment (GET)
        every few seconds instead: that costs nothing.
        """

        def begin() -> dict[str, Any] | Response:
            payment = self._payment()
            return_url = self.validated(ConfirmInput, request)["return_url"]
            if not needs_provider(payment):
                return self._shown(payment)
            CONFIRMATIONS.take(f"payment {payment.pk}", seconds=HOUR)
            return {"account": self.account.pk, "payment": payment.pk, "return_url": return_url}

        def outside(state: dict[str, Any]) -> None:
            if state["return_url"]:  # should the provider never have heard of it, it learns where to send the browser
                self.tell_provider(state)
            if self.ask_provider(state) in (Payment.Status.NEW, Payment.Status.REQUIRES_ACTION):
                self.tell_provider(state)

        return self.in_stages(begin, outside, lambda state: self._shown(self._payment()))

    def _payment(self) -> Payment:
        pk = payment_in(self.kwargs["token"], self.account.pk)
        found = Payment.objects.filter(pk=pk).first() if pk is not None else None
        if found is None:
            raise NotFound
        return found

    def _shown(self, payment: Payment) -> Response:
        order = reading.represent(PublicOrderSerializer, Order.objects.filter(pk=payment.order_id))[0]
        state = reading.represent(PublicPaymentState, Payment.objects.filter(pk=payment.pk))[0]
        return Response({"order": order, "payment": self.with_answer(state)})
