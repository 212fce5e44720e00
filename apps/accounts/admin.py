from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.models import Account, ApiToken, Invitation, Membership
from apps.accounts.services.accounts import update_account
from apps.accounts.services.members import change_member, remove_member
from apps.core.admin import ReadOnlyAdmin, ScopedAdmin, TenantAdmin
from apps.core.tenancy import account_scope


@admin.register(Account)
class AccountAdmin(TenantAdmin):
    """Staff see the account they work in. Opening one needs an owner and deleting one has rules: both are done by the API."""

    resource = "account"
    list_display = ("name", "slug", "currency", "country", "timezone", "status", "created_at")
    list_filter = ("status",)
    search_fields = ("name", "slug")
    ordering = ("name", "pk")
    fields = ("name", "slug", "timezone", "country", "currency", "status", "settings")
    readonly_fields = ("currency", "settings")
    writes = frozenset({"partial_update"})

    def get_queryset(self, request: Any) -> QuerySet:
        accounts = super().get_queryset(request)
        return accounts if request.user.is_superuser else accounts.filter(pk=request.account.pk)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Addresses are built on the slug; whether an account is open is for those who run the installation."""
        fixed = super().get_readonly_fields(request, obj)
        return fixed if request.user.is_superuser else (*fixed, "slug", "status")

    def update(self, request: HttpRequest, row: Account, values: dict[str, Any]) -> None:
        with account_scope(row):
            update_account(Account.objects.get(pk=row.pk), **values)


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    """Who works here. People come by invitation (or a superuser adds them); an owner always stays."""

    resource = "member"
    list_display = ("user", "role", "is_active", "created_at")
    list_filter = ("role", "is_active")
    search_fields = ("user__email",)
    list_select_related = ("user",)
    ordering = ("user__email", "pk")
    fields = ("user", "role", "is_active")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser and super().has_add_permission(request, obj)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return _is_member(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return _is_member(request) and super().has_delete_permission(request, obj)

    def update(self, request: Any, row: Membership, values: dict[str, Any]) -> None:
        change_member(row, by=request.membership, **values)

    def remove(self, request: Any, row: Membership) -> None:
        remove_member(row, by=request.membership)


def _is_member(request: Any) -> bool:
    """The services judge a change of members by the role of the member who makes it."""
    return getattr(request, "membership", None) is not None


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Offers of a membership; the nonce that makes their tokens is not shown."""

    resource = "invitation"
    list_display = ("email", "role", "expires_at", "invited_by", "accepted_at", "revoked_at")
    list_filter = ("role",)
    search_fields = ("email",)
    exclude = ("nonce",)
    ordering = ("-created_at", "-pk")


@admin.register(ApiToken)
class ApiTokenAdmin(ScopedAdmin):
    """Tokens of all logins, without their digests. Deleting one signs its device out."""

    list_display = ("user", "label", "created", "expiry", "last_used_at")
    search_fields = ("user__email", "label")
    list_select_related = ("user",)
    ordering = ("-created",)
    fields = ("user", "label", "created", "expiry", "last_used_at")
    writes = frozenset({"destroy"})
