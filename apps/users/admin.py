"""People, over all accounts: for superusers only. Staff see people as clients of their account."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.core.admin import RefusedForm, ScopedAdmin, TenantAdmin
from apps.users.models import Address, Customer, User
from apps.users.services import add_profile, update_profile
from apps.users.services.pictures import remove_picture, set_picture


class NewUserForm(RefusedForm, UserCreationForm):
    class Meta:
        model = User
        fields: ClassVar = ("email",)


class ChangedUserForm(RefusedForm, UserChangeForm):
    class Meta:
        model = User
        fields: ClassVar = "__all__"


@admin.register(User)
class UserAdmin(TenantAdmin, DjangoUserAdmin):  # type: ignore[misc]  # stubs narrower than the classes
    """Logins. One that is no longer wanted is deactivated: deleting it would take memberships along."""

    form = ChangedUserForm  # type: ignore[misc]  # the same stubs
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "username", "is_active", "is_staff", "is_superuser", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "language")
    search_fields = ("email", "username", "customer__full_name")
    date_hierarchy = "date_joined"
    ordering = ("-date_joined",)
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("email", "password", "username", "language", "timezone")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")
    writes = frozenset({"create", "partial_update"})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """An address is changed by its owner, who proves that it is theirs."""
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, "email") if obj is not None else fixed

    def insert(self, request: HttpRequest, row: User, values: dict[str, Any]) -> None:
        """A new login gets its person at once (source 001); it may sign in when its address was verified."""
        row.save()
        add_profile(user=row)


@admin.register(Customer)
class CustomerAdmin(TenantAdmin):
    """The people behind the logins (source 001)."""

    list_display = ("full_name", "user", "phone_number", "country", "is_verified", "date_joined")
    list_filter = ("user__date_joined", "user__is_active", "is_verified", "gender")
    search_fields = ("full_name", "user__email", "user__username", "phone_number", "=referral_code")
    date_hierarchy = "user__date_joined"
    ordering = ("-user__date_joined",)
    list_select_related = ("user__wallet", "country")
    fields = (
        "user",
        "full_name",
        "phone_number",
        "image",
        "gender",
        "birth_date",
        "country",
        "primary_address",
        "is_verified",
        "inviter",
        "referral_code",
    )
    readonly_fields = ("user", "referral_code")
    writes = frozenset({"partial_update"})

    def update(self, request: HttpRequest, row: Customer, values: dict[str, Any]) -> None:
        """A new picture is checked and made anew like one that its owner sends; ``False`` is the ticked box that takes it away."""
        picture = values.pop("image", None)
        if values:
            update_profile(customer=row, login={}, **values)
        if picture:
            set_picture(row, content=picture.read())
        elif picture is False:
            remove_picture(row)

    @admin.display(description="date joined", ordering="user__date_joined")
    def date_joined(self, customer: Customer) -> Any:
        return customer.date_joined


@admin.register(Address)
class AddressAdmin(ScopedAdmin):
    """Postal addresses of people."""

    list_display = ("user", "label", "line1", "postal_code", "city", "country")
    search_fields = ("user__email", "line1", "city", "postal_code")
    ordering = ("-created_at", "-pk")
