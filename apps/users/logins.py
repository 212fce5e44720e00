"""What is kept about a login, and its archive's part."""

from collections.abc import Iterable, Mapping
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session

from apps.core import storage
from apps.core.logins import Counts, erases_login
from apps.core.subjects import ERASED
from apps.users.models import Address, Customer, PersonExport, User
from apps.users.models.customer import new_referral_code
from apps.users.services.pictures import forget_picture


def nameless_email(user_id: int) -> str:
    """An address that nobody has and nobody can have."""
    return f"{ERASED}-{user_id}@erased.invalid"


@erases_login
def forget_person(user_id: int) -> Counts:
    """The login stays as a number that others refer to; nobody can sign in with it, and it says nothing of anybody."""
    user = User.objects.select_for_update().get(pk=user_id)
    nameless = nameless_email(user_id)
    if user.email == nameless:
        return {}
    counts: Counts = {}
    for log in (AccessAttempt, AccessFailureLog, AccessLog):
        counts[log._meta.db_table] = log.objects.filter(username__in=[user.email, user.username or user.email]).delete()[0]
    keys = list(UserSession.objects.filter(user_id=user_id).values_list("session_key", flat=True))
    counts[Session._meta.db_table] = Session.objects.filter(session_key__in=keys).delete()[0]
    for model in (UserSession, Authenticator, EmailAddress):
        counts[model._meta.db_table] = model.objects.filter(user_id=user_id).delete()[0]
    archives = PersonExport.objects.filter(user_id=user_id)
    storage.remove_later([key for key in archives.values_list("storage_key", flat=True) if key])
    counts[PersonExport._meta.db_table] = archives.delete()[0]
    customer = Customer.objects.select_for_update().filter(user_id=user_id).first()
    if customer is not None:
        _forget_profile(customer)
        counts[Customer._meta.db_table] = 1
        counts[Customer.history.model._meta.db_table] = Customer.history.filter(id=customer.pk).delete()[0]
    counts[Address._meta.db_table] = Address.objects.filter(user_id=user_id).delete()[0]
    user.email, user.username, user.is_active, user.timezone = nameless, None, False, ""
    user.is_staff = user.is_superuser = False
    user.set_unusable_password()
    user.save()
    counts[User._meta.db_table] = 1
    counts[User.history.model._meta.db_table] = User.history.filter(id=user_id).delete()[0]
    return counts


def _forget_profile(customer: Customer) -> None:
    forget_picture(customer)
    customer.full_name, customer.phone_number, customer.birth_date = "", None, None
    customer.gender, customer.country, customer.primary_address = Customer.Gender.NOT_SPECIFIED, None, None
    customer.is_verified, customer.inviter, customer.referral_code = False, None, new_referral_code()
    customer.save()


def profile_of(user_id: int) -> Iterable[tuple[str, list[Mapping[str, Any]]]]:
    """The lists of an archive that belong to the login itself."""
    user = User.objects.filter(pk=user_id).values("id", "email", "username", "language", "timezone", "date_joined", "last_login")
    left = {"referral_code"}
    yield "login", list(user)
    yield "profile", [{k: v for k, v in row.items() if k not in left} for row in Customer.objects.filter(user_id=user_id).values()]
    yield "addresses", list(Address.objects.filter(user_id=user_id).order_by("pk").values())
    yield "email_addresses", list(EmailAddress.objects.filter(user_id=user_id).order_by("pk").values("email", "verified", "primary"))
