"""The door of a person to their own profile: global rows, so no account is involved."""

from typing import cast

from rest_framework.request import Request

from apps.core.api.doors import Door
from apps.core.events import acting
from apps.core.tenancy import user_scope
from apps.users.models import Customer, User


class CustomerDoor(Door):
    """A signed-in user who has a customer profile (source 001: the profile is asked for, not a class)."""

    role = "customer"

    def enter(self, request: Request) -> None:
        if request.user and request.user.is_authenticated:
            # Authentication by token has told the database already who is asking.
            self._open(request, already_applied=bool(request.auth))

    def re_enter(self) -> None:
        self._open(self.request)

    def _open(self, request: Request, *, already_applied: bool = False) -> None:
        user_id = cast(User, request.user).pk
        self.scopes.enter_context(user_scope(user_id, already_applied=already_applied, ends_transaction=True))
        self.scopes.enter_context(acting(user_id, self.role))

    def may(self, request: Request) -> bool:
        return bool(request.user and request.user.is_authenticated and hasattr(request.user, "customer"))

    @property
    def customer(self) -> Customer:
        """The caller's own profile."""
        return cast(User, self.request.user).customer
