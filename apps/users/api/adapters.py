"""How allauth makes users here: sign-up creates the person with the login, mail leaves after commit."""

from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.core import context as allauth_context
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from apps.core.errors import Invalid
from apps.users.models import User
from apps.users.models.user import normalize_email
from apps.users.services import add_profile

PRODUCT = "Clientele"


class AccountAdapter(DefaultAccountAdapter):
    """E-mails are compared as the database compares them; inactive users are turned away at every stage."""

    def clean_email(self, email: str) -> str:
        """One spelling per address. Sign-ups with the same address queue up here, so that the second one finds the first."""
        email = normalize_email(super().clean_email(email))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"users.email:{email}"])
        return email

    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """User and Customer, both or neither."""
        super().save_user(request, user, form, commit=False)
        if not commit:
            return user
        data = form.cleaned_data
        user.save()
        try:
            add_profile(
                user=user,
                full_name=data.get("full_name", ""),
                phone_number=data.get("phone_number"),
                country=data.get("country"),
                inviter=data.get("referral_code"),
            )
        except Invalid as error:  # somebody took the phone number after the form had looked
            raise ImmediateHttpResponse(refusal(request, error)) from error
        return user

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        if isinstance(credentials.get("email"), str):
            credentials["email"] = normalize_email(credentials["email"])
        return super().authenticate(request, **credentials)

    def login(self, request: HttpRequest, user: Any) -> None:
        """The last step of every flow; a user deactivated half-way gets no further."""
        if not user.is_active:
            clear_login(request)
            raise ImmediateHttpResponse(self.respond_user_inactive(request, user))
        super().login(request, user)

    def format_email_subject(self, subject: str) -> str:
        """Without the prefix that allauth makes from the Host header."""
        return str(subject)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send after commit: no network inside the transaction, no mail about what was rolled back.

        Names and links come from our settings, never from the Host header. The message stays out of the job queue, because
        it carries codes. When sending fails it is logged, and the person asks for a new code.
        """
        site = SimpleNamespace(name=PRODUCT, domain=urlsplit(settings.FRONTEND_URL).netloc)
        shown = {"request": allauth_context.request, "email": email, "current_site": site, **context}
        message = self.render_mail(template_prefix, email, shown)
        transaction.on_commit(partial(message.send), robust=True)


def refusal(request: HttpRequest, error: Invalid) -> HttpResponse:
    """An error of ours in the shape of the headless API."""
    from allauth.headless.internal.restkit.response import ErrorResponse  # noqa: PLC0415  needs the adapter that is defined here

    problems = [ValidationError(message, code="invalid") for messages in (error.fields or {}).values() for message in messages]
    return ErrorResponse(request, exception=ValidationError(problems))
