"""E-mail, password and second factor, judged by allauth and counted by its limiter."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core.internal import ratelimit
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from apps.accounts.errors import EmailUnverified, MfaRequired, NotSignedIn, RateLimited
from apps.users.models import User
from apps.users.selectors import has_verified_email

LIMITED_APP = "allauth.account"
TOO_MANY = "too_many_login_attempts"
SECOND_FACTORS = [Authenticator.Type.TOTP]


def sign_in(request: HttpRequest, *, email: str, password: str, mfa_code: str | None) -> User:
    """The user with these credentials, through the same steps as allauth's own login.

    Known and unknown addresses are answered alike, in the same time. Raises NotSignedIn (401), MfaRequired (401),
    EmailUnverified (403), RateLimited (429).
    """
    if not ratelimit.consume(request, app=LIMITED_APP, action="login"):
        raise _limited("login")
    user = _by_password(request, email, password)
    if not has_verified_email(user):
        raise EmailUnverified
    if is_mfa_enabled(user, SECOND_FACTORS):
        if not mfa_code:
            raise MfaRequired
        _check_second_factor(user, mfa_code)
    return user


def _by_password(request: HttpRequest, email: str, password: str) -> Any:
    try:
        user = get_adapter().authenticate(request, email=email, password=password)
    except ValidationError as error:
        raise _limited("login_failed") from error
    # allauth also returns the inactive, to send them to a page of their own.
    if user is None or not user.is_active:
        raise NotSignedIn
    return user


def _check_second_factor(user: User, code: str) -> None:
    form = AuthenticateForm({"code": code}, user=user)
    if not form.is_valid():
        if form.has_error("code", TOO_MANY):
            raise _limited("login_failed")
        raise NotSignedIn("The code is wrong.")
    form.authenticator.record_usage()


def _limited(action: str) -> RateLimited:
    rates = ratelimit.get_rates(app=LIMITED_APP, action=action)
    return RateLimited(retry_after=int(max(rate.duration for rate in rates)))
