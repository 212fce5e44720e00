"""Wallets, credit and gift codes in the admin: to read. Credit moves through the services only."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin, TenantAdmin
from apps.payments.models import GiftCode, OrderReferral, ReferralReward, Wallet, WalletLot


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    """Whose wallets there are, for superusers: a wallet is the person's, what is in it is each business's own."""

    list_display = ("user", "created_at")
    search_fields = ("user__email",)
    ordering = ("-created_at", "-pk")


@admin.register(WalletLot)
class WalletLotAdmin(ReadOnlyAdmin):
    """Credit as it came in, with what is left of it."""

    resource = "wallet"
    list_display = ("created_at", "client", "source", "amount_cents", "remaining_cents", "currency", "expires_at", "is_cashable")
    list_filter = ("source", "is_cashable")
    search_fields = ("client__full_name", "client__email", "reason")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("client",)


@admin.register(GiftCode)
class GiftCodeAdmin(TenantAdmin):
    """Gift codes by their last four characters; nobody can read a code again."""

    resource = "gift-code"
    list_display = ("created_at", "last4", "amount_cents", "currency", "status", "order", "client", "expires_at")
    list_filter = ("status",)
    search_fields = ("last4", "reason", "order__number", "client__full_name", "client__email")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("order", "client")
    writes = frozenset()


@admin.register(ReferralReward)
class ReferralRewardAdmin(TenantAdmin):
    """Who is rewarded for bringing whom, and why not."""

    resource = "wallet"
    list_display = ("created_at", "referrer", "referee", "order", "points", "status", "why", "grant_at", "granted_at")
    list_filter = ("status", "why")
    search_fields = ("referrer__full_name", "referee__full_name", "order__number")
    ordering = ("-created_at", "-pk")
    list_select_related = ("referrer", "referee", "order")
    writes = frozenset()


@admin.register(OrderReferral)
class OrderReferralAdmin(ReadOnlyAdmin):
    """Whose code buyers without a login have named."""

    resource = "wallet"
    list_display = ("created_at", "order", "inviter")
    search_fields = ("order__number",)
    ordering = ("-created_at", "-pk")
    list_select_related = ("order", "inviter__user")
