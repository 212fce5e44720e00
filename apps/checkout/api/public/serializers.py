from typing import Any, ClassVar

from django.core import signing
from django.core.validators import URLValidator
from django.db.models import QuerySet
from rest_framework import serializers

from apps.accounts.models import Account
from apps.bookings.models import Booking
from apps.catalog.models import Practitioner, Service
from apps.checkout.api.paying import BegunFields, instructions
from apps.core.api.fields import InstantField, OneLineField, PhoneField, StrictIntegerField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import Order
from apps.packages.api.public.views import on_public_sale
from apps.packages.models import Package
from apps.payments.models import Payment
from apps.sites.api.addressing import SiteField
from apps.users.api.fields import ReferralCodeField

SALT = "checkout.public_payment"


def token_of(account_id: int, payment_id: int) -> str:
    """What opens exactly this payment to whoever holds it."""
    return signing.dumps([account_id, payment_id], salt=SALT)


def payment_in(token: str, account_id: int) -> int | None:
    """The payment that a token of this account opens; None for anything else."""
    try:
        found = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None
    return found[1] if found[0] == account_id else None


class CardSerializer(serializers.Serializer):
    """What a business says about itself to everybody."""

    name = serializers.CharField()
    slug = serializers.CharField()
    timezone = serializers.CharField(help_text="IANA name; local dates are meant in it.")
    currency = serializers.CharField(help_text="ISO 4217 code of all prices.")
    country = serializers.CharField(help_text="ISO 3166 code.")
    prices_include_tax = serializers.BooleanField(help_text="Whether prices contain the tax; otherwise `checkout/quote/` adds it.")
    payment_methods = serializers.ListField(
        child=serializers.ChoiceField(choices=Payment.Method.choices),
        help_text="What `method` may be at `checkout/`; `wallet` for those who have signed in.",
    )
    referral_points = serializers.IntegerField(help_text="For whoever brings a new client, once they have paid; 0: nobody is rewarded.")


class OnPublicSale(ScopedRelatedField):
    """A package, service or practitioner as this door shows it; what is not shown does not exist."""

    def get_queryset(self) -> QuerySet:
        found = super().get_queryset()
        return on_public_sale(found) if found.model is Package else found.filter(is_active=True)


NOTHING: dict[str, Any] = {"required": False, "allow_null": True, "default": None}


class WantedInput(InputSerializer):
    """What is bought: exactly one of ``package``, ``service`` and ``site``. Prices always come from the catalogue."""

    package = OnPublicSale(model=Package, **NOTHING)
    service = OnPublicSale(model=Service, **NOTHING)
    site = SiteField(**NOTHING, help_text="The `site_id` of a website that is for sale. It is yours once it is paid.")
    practitioner = OnPublicSale(model=Practitioner, **NOTHING, help_text="Needed with `start_time`; their own price counts.")
    start_time = InstantField(**NOTHING, help_text="`start` of a slot, for the first session.")
    coupon = OneLineField(max_length=40, **NOTHING)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if [attrs["package"], attrs["service"], attrs["site"]].count(None) != 2:
            raise serializers.ValidationError({"package": ["Send exactly one of package, service and site."]})
        if attrs["start_time"] is not None and attrs["practitioner"] is None:
            raise serializers.ValidationError({"practitioner": ["A start time needs a practitioner."]})
        return attrs


class PublicQuoteInput(WantedInput):
    """What is to be bought: the purchase without who buys, `method`, `use_wallet_cents` and `return_url`.

    Who asks makes no difference, unless they have signed in: then `credit_cents` is what they have.
    """


class PublicCheckoutInput(WantedInput):
    """A purchase. Guests say who they are with ``full_name`` and ``email``; whoever has signed in leaves that out."""

    method = serializers.ChoiceField(choices=Payment.Method.choices, help_text="One of the card's `payment_methods`.")
    use_wallet_cents = StrictIntegerField(
        min_value=0, required=False, default=0, help_text="This much of what is due now from your credit; only when you have signed in."
    )
    full_name = OneLineField(max_length=255, required=False, help_text="Guests: required.")
    email = serializers.EmailField(max_length=254, required=False, help_text="Guests: required.")
    phone_number = PhoneField(required=False, allow_blank=True, help_text="Guests: with the country code.")
    referral_code = ReferralCodeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Of whoever brought you. The first one that you name counts, and only before your first paid purchase.",
    )
    return_url = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        default="",
        validators=[URLValidator(schemes=["https", "http"])],
        help_text="Where PayPal (and banks that ask back) send the browser afterwards; ask `payments/{token}/confirm/` then.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        about = {name: attrs.get(name) for name in ("full_name", "email", "phone_number")}
        if self.context["view"].buyer is not None:
            refused = {name: ["You have signed in: leave it out."] for name, value in about.items() if value}
        else:
            refused = {name: ["This field is required."] for name in ("full_name", "email") if not about[name]}
        if refused:
            raise serializers.ValidationError(refused)
        return attrs


class PublicSessionSerializer(ResourceSerializer):
    """A session of the purchase. A draft has no time yet; a held one is yours until `hold_expires_at`, unless it is paid before."""

    service_name = serializers.CharField(source="service.name", read_only=True)
    practitioner_name = serializers.CharField(source="practitioner.display_name", read_only=True, allow_null=True)

    class Meta:
        model = Booking
        fields: ClassVar = [
            "position",
            "service",
            "service_name",
            "practitioner",
            "practitioner_name",
            "status",
            "start_time",
            "end_time",
            "timezone",
            "hold_expires_at",
            "price_cents",
            "tax_cents",
            "currency",
        ]
        read_only_fields = fields
        parent = "order_id"
        order = ("position",)


class PublicOrderSerializer(ResourceSerializer):
    """What was bought. Amounts are cents of ``currency``; ``tax_cents`` is contained in the total."""

    balance_due_cents = Computed(
        lambda total, paid, refunded: max(0, total - paid + refunded),
        needs=["total_amount_cents", "paid_cents", "refunded_cents"],
        schema=serializers.IntegerField(read_only=True),
    )
    sessions = PublicSessionSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields: ClassVar = [
            "number",
            "status",
            "payment_status",
            "subtotal_cents",
            "discount_cents",
            "tax_cents",
            "total_amount_cents",
            "paid_cents",
            "balance_due_cents",
            "currency",
            "expires_at",
            "sessions",
        ]
        read_only_fields = fields


class PublicPaymentState(ResourceSerializer):
    """A payment as it stands; ``token`` opens it again, and nothing else."""

    token = Computed(token_of, needs=["account_id", "pk"], schema=serializers.CharField(read_only=True))
    instructions = instructions()

    class Meta:
        model = Payment
        fields: ClassVar = ["token", "method", "status", "amount_cents", "currency", "expires_at", "failure", "instructions"]
        read_only_fields = fields


class BegunPaymentSerializer(PublicPaymentState, BegunFields):
    """The payment that is due now, with what the browser needs to make it."""

    class Meta(PublicPaymentState.Meta):
        fields: ClassVar = [*PublicPaymentState.Meta.fields, "client_secret", "publishable_key", "approve_url"]


class PublicPaymentSerializer(serializers.Serializer):
    """A payment as it stands, and what it is for."""

    order = PublicOrderSerializer()
    payment = PublicPaymentState()


class ConfirmedPaymentSerializer(serializers.Serializer):
    """A payment as its provider says it stands; one that is not made yet comes with what the browser needs to make it."""

    order = PublicOrderSerializer()
    payment = BegunPaymentSerializer()


class PublicSaleSerializer(serializers.Serializer):
    """A purchase, and the payment that is expected for it now (null when nothing is)."""

    order = PublicOrderSerializer()
    payment = BegunPaymentSerializer(allow_null=True)
    credit_cents = serializers.IntegerField(help_text="What comes from your credit, beside `payment`.")


class ConfirmInput(InputSerializer):
    """Usually nothing to send."""

    return_url = serializers.URLField(
        max_length=500,
        required=False,
        allow_blank=True,
        default="",
        help_text="Where PayPal sends the browser afterwards; only for a payment that its provider has not heard of yet (`unknown`).",
    )


def card_of(account: Account, methods: list[str], *, prices_include_tax: bool, referral_points: int) -> dict[str, Any]:
    """The business card."""
    return {
        "name": account.name,
        "slug": account.slug,
        "timezone": account.timezone,
        "currency": account.currency,
        "country": account.country_id,
        "prices_include_tax": prices_include_tax,
        "payment_methods": methods,
        "referral_points": referral_points,
    }
