"""What staff do with a package that a client owns, at its order's address."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.bookings.api.staff.serializers.bookings import BookingSerializer
from apps.bookings.models import Booking
from apps.bookings.services.claims import Override
from apps.bookings.services.packages import extend_order, grant_sessions, schedule_next
from apps.bookings.services.pauses import pause_order, quote_pause, resume_order
from apps.bookings.services.transfers import quote_transfer, transfer_sessions
from apps.catalog.models import Practitioner, Service
from apps.checkout.api.staff.serializers import OrderSerializer
from apps.clients.models import Client
from apps.core.api import reading
from apps.core.api.fields import DayField, InstantField, StrictIntegerField
from apps.core.api.reading import InputSerializer, ScopedRelatedField
from apps.orders.models import Order

# What accepts an Idempotency-Key.
PACKAGE_CHANGES = frozenset({"pause", "resume", "extend", "transfer", "grant"})


class QuotePauseInput(InputSerializer):
    """Local days of the account, both included; without ``last_day`` the pause lasts until it is resumed."""

    first_day = DayField(help_text="Today or later.")
    last_day = DayField(required=False, allow_null=True, default=None)


class PauseInput(QuotePauseInput):
    """A pause; ``quote`` is the token of pause/quote/, then nothing happens that it did not say."""

    reason = serializers.CharField(max_length=500)
    quote = serializers.CharField(max_length=2000, required=False, allow_null=True, default=None)


class ResumeInput(InputSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class ExtendInput(InputSerializer):
    """Exactly one of ``expires_on`` (the new last local day) and ``days`` (more than now)."""

    expires_on = DayField(required=False, allow_null=True, default=None)
    days = StrictIntegerField(min_value=1, max_value=36_500, required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=500)


class QuoteTransferInput(InputSerializer):
    """Exactly one of ``sessions`` (ids of unscheduled sessions) and ``count`` (the next ones of the order)."""

    client = ScopedRelatedField(model=Client, help_text="Who gets the sessions.")
    sessions = serializers.ListField(
        child=StrictIntegerField(min_value=1), required=False, allow_null=True, default=None, min_length=1, max_length=500
    )
    count = StrictIntegerField(min_value=1, max_value=32_767, required=False, allow_null=True, default=None)
    override = serializers.BooleanField(default=False, help_text="Give away what the package does not allow to; needs a reason.")


class TransferInput(QuoteTransferInput):
    """A transfer; ``quote`` is the token of transfer/quote/, then nothing happens that it did not say."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    quote = serializers.CharField(max_length=2000, required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["override"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["An override needs a reason."]})
        return attrs


class GrantInput(InputSerializer):
    service = ScopedRelatedField(model=Service)
    count = StrictIntegerField(min_value=1, max_value=100, default=1)
    reason = serializers.CharField(max_length=500)


class ScheduleNextInput(InputSerializer):
    """Without ``practitioner`` one who is free is chosen. ``override`` bends notice, horizon, hours and overlap, and needs a reason."""

    service = ScopedRelatedField(model=Service, required=False, allow_null=True, default=None)
    practitioner = ScopedRelatedField(model=Practitioner, required=False, allow_null=True, default=None)
    start_time = InstantField()
    override = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["override"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["An override needs a reason."]})
        return attrs


class PausedSessionSerializer(serializers.Serializer):
    """A session inside the pause: it goes back to being unscheduled."""

    id = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=["returned"])
    start_time = serializers.DateTimeField()
    practitioner = serializers.IntegerField()
    series = serializers.IntegerField(allow_null=True, help_text="The series it is an occurrence of.")


class PauseQuoteSerializer(serializers.Serializer):
    """What a pause would do. ``package_expires_at`` is the new end of validity; ``expires_at`` is the quote's own."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField(help_text="Until when the quote holds.")
    first_day = serializers.DateField()
    last_day = serializers.DateField(allow_null=True, help_text="Of an open pause null, unless the package limits its length.")
    days_added = serializers.IntegerField(help_text="0 for an open pause: the days are added when it is resumed.")
    package_expires_at = serializers.DateTimeField(allow_null=True)
    sessions = PausedSessionSerializer(many=True)


class TransferredSessionSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=["transferred"])
    service = serializers.IntegerField()
    price_cents = serializers.IntegerField()


class TransferQuoteSerializer(serializers.Serializer):
    """What a transfer would move. ``package_expires_at`` is the end of validity, which stays; ``expires_at`` is the quote's own."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField(help_text="Until when the quote holds.")
    client = serializers.IntegerField()
    fee_cents = serializers.IntegerField(help_text="Added to the giver's order.")
    value_cents = serializers.IntegerField(help_text="What the sessions are worth; it moves with them.")
    currency = serializers.CharField()
    package_expires_at = serializers.DateTimeField(allow_null=True)
    sessions = TransferredSessionSerializer(many=True)


class TransferSerializer(serializers.Serializer):
    """Both sides of a transfer."""

    order = OrderSerializer(help_text="The giver's order.")
    transferred = OrderSerializer(help_text="The new order of the client who got the sessions; its parent is the one that was paid.")


class PackageActions:
    """Pausing, extending, giving away. Every one answers 409 `invalid_transition` for the order of a single service."""

    @extend_schema(request=PauseInput)
    @action(detail=True, methods=["post"])
    def pause(self: Any, request: Request, pk: str) -> Response:
        """Let a package rest. Sessions inside go back to being unscheduled, for nothing; the validity grows by the paused days.

        409 `package_paused` (the days are covered already), `limit_reached` (`rule` `pauses_per_year` or `pause_days`),
        `package_expired`, `quote_stale`.
        """
        order = self.get_object()
        pause_order(order, **self.validated(PauseInput, request))
        return Response(self.represent(order.pk))

    @extend_schema(request=QuotePauseInput, responses=PauseQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="pause/quote")
    def quote_pause(self: Any, request: Request, pk: str) -> Response:
        """What a pause would do: which sessions it returns (those of a series too) and the new end; nothing is changed."""
        return Response(quote_pause(self.get_object(), **self.validated(QuotePauseInput, request)))

    @extend_schema(request=ResumeInput)
    @action(detail=True, methods=["post"])
    def resume(self: Any, request: Request, pk: str) -> Response:
        """End the running pause today, or take back the next planned one. The validity follows the days that were really paused.

        Sessions that are scheduled beyond an end that moves closer stay as they are.
        """
        order = self.get_object()
        resume_order(order, **self.validated(ResumeInput, request))
        return Response(self.represent(order.pk))

    @extend_schema(request=ExtendInput)
    @action(detail=True, methods=["post"])
    def extend(self: Any, request: Request, pk: str) -> Response:
        """Let a package be used longer. After its end the sessions that were forfeited come back, the very same ones.

        400 for an end that is not later than the present one, or has passed.
        """
        order = self.get_object()
        extend_order(order, **self.validated(ExtendInput, request))
        return Response(self.represent(order.pk))

    @extend_schema(request=TransferInput, responses=TransferSerializer)
    @action(detail=True, methods=["post"])
    def transfer(self: Any, request: Request, pk: str) -> Response:
        """Give unscheduled sessions to another client of the account: into an order of their own, at the value and end they have.

        409 `payment_required` (the order is not paid), `package_paused`, `package_expired`, `limit_reached` (`rule` `transfers`),
        `invalid_transition` (`rule` `transferable`: the package does not allow it), `no_sessions_left`, `quote_stale`.
        """
        order = self.get_object()
        data = self.validated(TransferInput, request)
        child = transfer_sessions(order, to_client=data.pop("client"), **data)
        both = {row["id"]: row for row in reading.represent(OrderSerializer, Order.objects.filter(pk__in=[order.pk, child.pk]))}
        return Response({"order": both[order.pk], "transferred": both[child.pk]})

    @extend_schema(request=QuoteTransferInput, responses=TransferQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="transfer/quote")
    def quote_transfer(self: Any, request: Request, pk: str) -> Response:
        """What a transfer would move and cost; nothing is changed."""
        order = self.get_object()
        data = self.validated(QuoteTransferInput, request)
        return Response(quote_transfer(order, to_client=data.pop("client"), **data))

    @extend_schema(request=GrantInput)
    @action(detail=True, methods=["post"])
    def grant(self: Any, request: Request, pk: str) -> Response:
        """Add sessions for nothing. They are used before the paid ones. 409 `package_expired`: extend it first."""
        order = self.get_object()
        grant_sessions(order, **self.validated(GrantInput, request))
        return Response(self.represent(order.pk))


class ScheduleNext:
    """Booking without choosing a session."""

    @extend_schema(request=ScheduleNextInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"], url_path="schedule-next")
    def schedule_next(self: Any, request: Request, pk: str) -> Response:
        """Schedule the next unscheduled session of the package: granted ones first, then by position.

        409 `no_sessions_left`, and everything that scheduling may answer.
        """
        order = self.get_object()
        data = self.validated(ScheduleNextInput, request)
        reason, override = data.pop("reason"), data.pop("override")
        booking = schedule_next(order, override=Override(reason) if override else None, **data)
        found = Booking.objects.filter(pk=booking.pk)
        return Response(reading.represent(BookingSerializer, found)[0], status=status.HTTP_200_OK)
