"""The staff door: the account comes from the caller's memberships, never from body or query. And the public one: it is in the address."""

from hashlib import sha256
from typing import Any, ClassVar, cast

from django.db.models import BigIntegerField, CharField, F, QuerySet
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.authentication import SetLocal
from apps.accounts.models import Account, Membership
from apps.accounts.policy import allows
from apps.core import tenancy
from apps.core.api.doors import Door
from apps.core.api.json import dumps
from apps.core.api.limits import network_of
from apps.core.compiled import Param, run
from apps.core.errors import AccountRequired, NotFound
from apps.core.events import acting
from apps.core.tenancy import account_scope, member_scope, user_scope
from apps.users.models import User


class SessionDoor(Door):
    """A signed-in user, whoever they are: their own login, memberships and tokens."""

    role = "session"

    @property
    def caller(self) -> User:
        """The signed-in user; ``may`` lets nobody else in."""
        return cast(User, self.request.user)

    def enter(self, request: Request) -> None:
        if request.user and request.user.is_authenticated:
            self.re_enter(request)

    def re_enter(self, request: Request | None = None) -> None:
        user_id = cast(User, (request or self.request).user).pk
        applied = request is not None and bool(request.auth)
        self.scopes.enter_context(user_scope(user_id, already_applied=applied, ends_transaction=True))
        self.scopes.enter_context(acting(user_id, self.role))

    def may(self, request: Request) -> bool:
        return bool(request.user and request.user.is_authenticated)


class StaffDoor(SessionDoor):
    """A member of an account, inside that account's scope. ``self.membership`` and ``self.account`` are the caller's."""

    role = "staff"
    membership: Membership
    account: Account

    def enter(self, request: Request) -> None:
        if not (request.user and request.user.is_authenticated):
            return
        super().enter(request)
        # The query that finds the membership opens the account's scope in the database on its way: one statement less.
        slug = request.headers.get("X-Account")
        memberships = run(
            ("accounts.membership", slug is None), lambda: _memberships(slug is not None), {"user": request.user.pk, "slug": slug}
        )
        if len(memberships) != 1:
            if slug is not None or not memberships:
                raise exceptions.PermissionDenied(
                    "You are not a member of this account." if slug else "You are not a member of any account."
                )
            raise AccountRequired
        self.membership = memberships[0]
        self.account = self.membership.account
        self.membership.user = request.user
        self.scopes.enter_context(account_scope(self.account.pk, already_applied=True, ends_transaction=True))

    def re_enter(self, request: Request | None = None) -> None:
        if request is not None:
            super().re_enter(request)
            return
        self.scopes.enter_context(member_scope(self.caller.pk, self.account.pk, ends_transaction=True))
        self.scopes.enter_context(acting(self.caller.pk, self.role))

    def may(self, request: Request) -> bool:
        if not super().may(request):
            return False
        # No action: the method does not exist here, which is for DRF to say (405). OPTIONS ("metadata") says only what exists.
        return self.action in (None, "metadata") or allows(self.membership.role, self.basename, self.action)


class StaffViewSet(StaffDoor):
    """Base of every view under /api/ for staff."""

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "account": getattr(self, "account", None)}


class PublicDoor(Door):
    """Anybody, at the open account that the address names; ``self.account`` is it. A token only says who is asking.

    All rows of the account are in reach, so every view narrows to what is shown to everybody, and says for how many seconds its
    answers may be kept (``max_age``; without it they are kept nowhere).
    """

    role = "public"
    account: Account
    max_age: ClassVar[int | None] = None

    @property
    def buyer(self) -> User | None:
        """Who has signed in, if it is somebody with a customer profile; others are guests."""
        user = _signed_in(self.request)
        return user if user is not None and hasattr(user, "customer") else None

    @property
    def counted_as(self) -> str:
        """By what this caller's requests are counted: the login, or where they come from."""
        user = _signed_in(self.request)
        return f"user {user.pk}" if user else f"network {network_of(self.request)}"

    def enter(self, request: Request) -> None:
        # The query that finds the account opens its scope in the database on its way, as at the staff door.
        found = run("accounts.public", _open_account, {"slug": self.kwargs["slug"]})
        if not found:
            raise NotFound
        self.account = found[0]
        user = _signed_in(request)
        if user is not None:
            self.scopes.enter_context(user_scope(user.pk, already_applied=bool(request.auth), ends_transaction=True))
        self.scopes.enter_context(account_scope(self.account.pk, already_applied=True, ends_transaction=True))
        self.scopes.enter_context(acting(user.pk if user else None, self.role))

    def re_enter(self) -> None:
        user = _signed_in(self.request)
        if user is not None:
            self.scopes.enter_context(member_scope(user.pk, self.account.pk, ends_transaction=True))
        else:
            self.scopes.enter_context(account_scope(self.account.pk, ends_transaction=True))
        self.scopes.enter_context(acting(user.pk if user else None, self.role))

    def may(self, request: Request) -> bool:
        return True

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "account": getattr(self, "account", None)}

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """What may be kept carries its tag, and is not sent again to whoever has it (304)."""
        if (
            self.max_age is None
            or request.method not in ("GET", "HEAD")
            or not isinstance(response, Response)
            or response.status_code != 200
        ):
            response.headers["Cache-Control"] = "no-store"
        else:
            response.data = dumps(response.data)
            response.headers["ETag"] = f'"{sha256(response.data).hexdigest()[:32]}"'
            response.headers["Cache-Control"] = f"public, max-age={self.max_age}" if self.max_age else "no-cache"
            response = get_conditional_response(request._request, etag=response.headers["ETag"], response=response) or response
        return super().finalize_response(request, cast(Response, response), *args, **kwargs)


def _signed_in(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _open_account() -> QuerySet:
    """The open account that is called by its slug."""
    called = Account._base_manager.filter(slug=Param("slug", CharField()), status=Account.Status.ACTIVE)
    return called.annotate(applied=SetLocal(tenancy.ACCOUNT, F("pk")))


def _memberships(by_slug: bool) -> QuerySet:
    """The caller's memberships of open accounts, all or the one called by its slug; at most two, which is one too many."""
    found = (
        Membership._base_manager.filter(user_id=Param("user", BigIntegerField()), is_active=True, account__status=Account.Status.ACTIVE)
        .select_related("account")
        .annotate(applied=SetLocal(tenancy.ACCOUNT, F("account_id")))
    )
    if by_slug:
        found = found.filter(account__slug=Param("slug", CharField()))
    return found[:2]
