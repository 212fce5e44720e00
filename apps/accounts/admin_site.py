"""The admin site: staff sign in to one account at a time and every page runs inside its scope.

A member sees the account they belong to, and chooses when there are several. A superuser reads over all accounts (logged as
platform scope) and chooses one to change anything in it. A page is rendered before its scope closes: Django renders
template responses after the view, where neither the scope nor the transaction exists any more.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite
from unfold.widgets import BASE_INPUT_CLASSES

from apps.accounts.models import Account, Membership, Role
from apps.accounts.policy import allows
from apps.accounts.selectors import setting
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope, user_scope
from apps.users.models import User
from apps.users.models.user import normalize_email

CHOSEN = "account"
"""Session key: the id of the account the admin works in."""

SHOWN_AT_ONCE = 50
NOT_OURS = (Group, Authenticator)
"""Brought by other apps: groups mean nothing here (roles do), and authenticators show the secrets of two-factor logins."""


class SignInForm(AuthenticationForm):
    """E-mail, password and, for a login with two-factor authentication, the code. django-axes counts what fails."""

    otp = forms.CharField(
        label="One-time code",
        max_length=32,
        required=False,
        widget=forms.TextInput({"autocomplete": "one-time-code", "class": " ".join(BASE_INPUT_CLASSES)}),
        help_text="Only when two-factor authentication is on: the code of your app, or a recovery code.",
    )

    def clean_username(self) -> str:
        """One spelling per address, or each spelling would have failures of its own."""
        return normalize_email(self.cleaned_data["username"])

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        # A superuser is made on the command line, which vouches for the address.
        if not user.is_superuser and not EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists():
            raise ValidationError("Verify your e-mail address first.", code="unverified")
        if not is_mfa_enabled(user):
            return
        code = self.cleaned_data.get("otp", "")
        if code and AuthenticateForm({"code": code}, user=user).is_valid():
            return
        if code:
            user_login_failed.send(sender=__name__, credentials={"username": self.cleaned_data["username"]}, request=self.request)
        raise ValidationError("Enter the current code of your authenticator app, or a recovery code.", code="otp")


class ClienteleAdminSite(UnfoldAdminSite):
    """The admin of one account at a time."""

    site_header = "Clientele"
    site_title = "Clientele"
    login_form = SignInForm
    login_template = "admin/sign_in.html"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        if model_or_iterable not in NOT_OURS:
            super().register(model_or_iterable, admin_class, **options)

    # -- scope

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        @wraps(view)
        def scoped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            with ExitStack() as scopes:
                response = self._enter(request, scopes, view) or view(request, *args, **kwargs)
                if isinstance(response, TemplateResponse) and not response.is_rendered:
                    response.render()
                return response

        return super().admin_view(scoped, cacheable)

    def _enter(self, request: Any, scopes: ExitStack, view: Callable[..., HttpResponse]) -> HttpResponse | None:
        """Open the scope of this request. A response instead of None: there is no account, or none has been chosen."""
        scopes.enter_context(acting(request.user.pk, "admin"))
        chosen = request.session.get(CHOSEN)
        if request.user.is_superuser:
            request.account = Account.objects.filter(pk=chosen).first() if chosen else None
            if request.account is None:
                scopes.enter_context(platform_scope(f"admin: {request.user.email}"))
                return None
        else:
            memberships = memberships_of(request.user)
            request.membership = next((m for m in memberships if len(memberships) == 1 or m.account_id == chosen), None)
            if request.membership is None:
                if view in (self.logout, self.choose_account, self.i18n_javascript):
                    return None
                return HttpResponseRedirect(reverse("admin:choose_account")) if memberships else self._no_account(request)
            request.account = request.membership.account
        scopes.enter_context(account_scope(request.account.pk))
        scopes.enter_context(timezone.override(request.account.timezone))
        return None

    def may(self, request: Any, resource: str | None, action: str) -> bool:
        """Whether this person may use this action of this resource, by the role policy; None is for superusers.

        The admin shows whole accounts: a practitioner who is to see only their own clients works in the app.
        """
        if request.user.is_superuser:
            return True
        membership = getattr(request, "membership", None)
        if membership is not None and membership.role == Role.PRACTITIONER and setting(membership.account, "practitioners_see_own_clients"):
            return False
        return membership is not None and resource is not None and allows(membership.role, resource, action)

    # -- pages

    def extra_urls(self) -> list[Any]:
        return [path("account/", self.admin_view(self.choose_account), name="choose_account")]

    def choose_account(self, request: Any) -> HttpResponse:
        """Which account to work in; for a superuser also all of them, to read."""
        wanted = request.GET.get("q", "").strip()
        if request.user.is_superuser:
            found = Account.objects.filter(Q(name__icontains=wanted) | Q(slug__icontains=wanted)).order_by("name", "pk")
        else:
            found = Account.objects.filter(pk__in=[m.account_id for m in memberships_of(request.user)]).order_by("name", "pk")
        if request.method == "POST":
            text = request.POST.get("account", "")
            account = found.filter(pk=int(text)).first() if text.isdecimal() and len(text) < 19 else None
            if account is not None:
                request.session[CHOSEN] = account.pk
            elif request.user.is_superuser:
                request.session.pop(CHOSEN, None)
            return HttpResponseRedirect(reverse("admin:index"))
        context = {**self.each_context(request), "title": "Choose an account", "accounts": found[:SHOWN_AT_ONCE], "q": wanted}
        return TemplateResponse(request, "admin/choose_account.html", context)

    def _no_account(self, request: HttpRequest) -> HttpResponse:
        context = {**self.each_context(request), "title": "No account"}
        return TemplateResponse(request, "admin/no_account.html", context, status=403)

    def each_context(self, request: Any) -> dict[str, Any]:
        """The name of the account at the top of every page, and the way to another one."""
        context = super().each_context(request)
        context |= {"site_title": self.site_title, "site_header": self.site_header}
        account = getattr(request, "account", None)
        if account is not None:
            context["site_subheader"] = f"{account.name} · {account.timezone}"
        elif getattr(request, "user", None) and request.user.is_superuser:
            context["site_subheader"] = "All accounts, to read"
        context["account_links"] = [
            {"title": "Choose an account", "link": reverse("admin:choose_account")},
            {"title": "Change password", "link": reverse("admin:password_change")},
        ]
        return context

    def get_log_entries(self, request: HttpRequest) -> Any:
        """Django's log knows no accounts: a person of two would read the names of one in the other."""
        return super().get_log_entries(request).none()


def memberships_of(user: Any) -> list[Membership]:
    """The active memberships of a person in open accounts, each with its account; reads across accounts."""
    with user_scope(user.pk):
        found = Membership._base_manager.filter(user_id=user.pk, is_active=True, account__status=Account.Status.ACTIVE)
        return list(found.select_related("account").order_by("account__name", "pk"))
