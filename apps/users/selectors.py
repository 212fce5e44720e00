"""Reading people (source 001)."""

from collections.abc import Iterable

from allauth.account.models import EmailAddress
from django.db.models import QuerySet

from apps.users.models import Customer, User


def customers_with_user() -> QuerySet[Customer]:
    """Customers for lists: the login with its wallet, and the country, come with the same statement."""
    return Customer.objects.select_related("user__wallet", "country")


def get_customer_with_user(customer_id: int) -> Customer:
    """One customer with the login. Raises Customer.DoesNotExist."""
    return Customer.objects.select_related("user").get(pk=customer_id)


def group_users_by_type(users: Iterable[User]) -> dict[str, list[User]]:
    """``{"customers": [...], "others": [...]}``: who has a customer profile and who does not, in the order given.

    Load the users with ``select_related("customer")``, or each of them costs a statement.
    """
    groups: dict[str, list[User]] = {"customers": [], "others": []}
    for user in users:
        groups["customers" if hasattr(user, "customer") else "others"].append(user)
    return groups


def customer_with_code(code: str) -> Customer | None:
    """Whose referral code this is, however it is typed; None for a code that nobody has."""
    return Customer.objects.filter(referral_code=code.strip().upper(), user__is_active=True).select_related("user").first()


def has_verified_email(user: User, email: str | None = None) -> bool:
    """Whether the user has proved the login's address (or ``email``, in its normalised spelling)."""
    return EmailAddress.objects.filter(user_id=user.pk, email=email or user.email, verified=True).exists()
