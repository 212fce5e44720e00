"""Making and changing the people who use the product (source 001)."""

import datetime
from collections.abc import Callable
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.core.db import constraint_error
from apps.core.errors import Invalid
from apps.location.models import Country
from apps.users.errors import InactiveUser
from apps.users.models import Address, Customer, User
from apps.users.models.user import normalize_email


def _taken(field: str, message: str) -> Callable[[], Invalid]:
    return lambda: Invalid(fields={field: [message]})


# Columns that are unique by themselves: PostgreSQL names their constraints.
DUPLICATES: dict[str, Callable[[], Exception]] = {
    "users_user_unique_email": _taken("email", "A user with this e-mail address exists already."),
    "users_user_email_key": _taken("email", "A user with this e-mail address exists already."),
    "users_user_username_key": _taken("username", "This user name is taken."),
    "users_customer_phone_number_key": _taken("phone_number", "This phone number belongs to somebody else."),
    "users_customer_user_id_key": _taken("user", "This user has a customer profile already."),
}


@transaction.atomic
def create_customer(
    *, email: str, password: str | None = None, username: str | None = None, language: str = "en", **profile: Any
) -> Customer:
    """A login and the person behind it: the User first, then the Customer.

    Without a password the login cannot sign in with one. ``profile``: the fields of ``add_profile``. Raises Invalid for a
    duplicate e-mail, user name or phone number. The e-mail counts as unverified until its owner proves it.
    """
    with constraint_error(DUPLICATES):
        user = User.objects.create_user(email, password, username=username or None, language=language)
    return add_profile(user=user, **profile)


@transaction.atomic
def add_profile(
    *,
    user: User,
    full_name: str = "",
    phone_number: str | None = None,
    gender: str = Customer.Gender.NOT_SPECIFIED,
    birth_date: datetime.date | None = None,
    country: Country | None = None,
    inviter: Customer | None = None,
) -> Customer:
    """The Customer of a User that is saved and has none. Raises Invalid for a phone number that is taken."""
    with constraint_error(DUPLICATES):
        return Customer.objects.create(
            user=user,
            full_name=full_name,
            phone_number=phone_number or None,
            gender=gender,
            birth_date=birth_date,
            country=country,
            inviter=inviter,
            is_verified=EmailAddress.objects.filter(user=user, verified=True).exists(),
        )


@transaction.atomic
def get_or_create_active_customer(*, email: str, full_name: str = "", **profile: Any) -> tuple[Customer, bool]:
    """The customer with this e-mail, made when missing (login without a password); True when it was made.

    An existing profile is not changed. Raises InactiveUser when ``customer.user`` may not sign in.
    """
    user = User.objects.filter(email=normalize_email(email)).select_related("customer").first()
    if user is None:
        return create_customer(email=email, full_name=full_name, **profile), True
    if not user.is_active:
        raise InactiveUser
    if hasattr(user, "customer"):
        return user.customer, False
    return add_profile(user=user, full_name=full_name, **profile), True


@transaction.atomic
def change_password(*, customer: Customer, new_password: str) -> None:
    """Set the password of ``customer.user``; every session and token of that login ends.

    Raises Invalid when the password is too weak.
    """
    user = customer.user
    try:
        validate_password(new_password, user)
    except ValidationError as error:
        raise Invalid(fields={"new_password": error.messages}) from error
    user.set_password(new_password)
    user.save(update_fields=["password"])


@transaction.atomic
def deactivate_user(*, user: User) -> None:
    """The login may not sign in any more; its sessions and tokens end."""
    user.is_active = False
    user.save(update_fields=["is_active"])


@transaction.atomic
def update_profile(*, customer: Customer, login: dict[str, Any], **profile: Any) -> Customer:
    """Change the person's own data: ``login`` holds fields of the User, ``profile`` those of the Customer.

    Only what is given is written. A primary address must be one of the person's own. Raises Invalid with the fields for
    duplicates and foreign addresses.
    """
    address: Address | None = profile.get("primary_address")
    if address is not None and address.user_id != customer.user_id:
        raise Invalid(fields={"primary_address": [f'Invalid pk "{address.pk}" - object does not exist.']})
    with constraint_error(DUPLICATES):
        for row, values in ((customer.user, login), (customer, profile)):
            if not values:
                continue
            for name, value in values.items():
                setattr(row, name, value)
            row.save(update_fields=[*values, *(["updated_at"] if row is customer else [])])
    return customer


@transaction.atomic
def update_login(*, user: User, **values: str) -> User:
    """Change how somebody reads: ``language``, ``timezone``. Only what is given is written."""
    for name, value in values.items():
        setattr(user, name, value)
    if values:
        user.save(update_fields=list(values))
    return user


def confirm_email(*, user: User) -> EmailAddress:
    """Record that the login's address belongs to its user (imports, demo data, commands: nobody is asked to prove it)."""
    address, _ = EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    mark_verified(user_id=user.pk)
    return address


def mark_verified(*, user_id: int) -> None:
    """A customer is verified once the login's e-mail is."""
    customer = Customer.objects.filter(user_id=user_id, is_verified=False).first()
    if customer is not None:
        customer.is_verified = True
        customer.save(update_fields=["is_verified", "updated_at"])
