"""What a row of the old people's tables becomes here.

Ids are kept everywhere: a customer's id is that of the old user row (``user_ptr_id``), so that whatever referred to a
customer still does. A value that has no place here is a problem under a code, with the row's id; nothing is guessed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import identify_hasher
from django.db.models import Model
from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import NumberParseException

from apps.core.errors import Invalid
from apps.legacy.old_database import OldDatabase
from apps.location.models import Country
from apps.users.models import Address, Customer, User
from apps.users.models.user import normalize_email

Row = dict[str, Any]

# Problems that --drop settles by leaving the value (or the address, which cannot be without its country and owner) behind.
DROPPABLE = ("phone_number", "inviter", "country", "gender", "language", "address")
GENDERS = {**{value.lower(): value for value in Customer.Gender.values}, "": "NS", "female": "F", "male": "M", "other": "O"}
LANGUAGES = frozenset(code for code, _ in settings.LANGUAGES)
# Names under which the old project may hold the parts of an address; the first one that exists is taken.
ADDRESS_PARTS = {
    "label": ("label", "title", "name"),
    "line1": ("line1", "address_line_1", "address_line1", "street_address", "street", "address"),
    "line2": ("line2", "address_line_2", "address_line2"),
    "city": ("city",),
    "region": ("region", "state", "province"),
    "postal_code": ("postal_code", "postcode", "zip_code", "zip"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """One old table, the model its rows become and how. ``key`` is the old column that holds the new primary key."""

    name: str
    key: str
    model: type[Model]
    build: Callable[[Row], Row | None]


class People:
    """The old people's tables in the order in which they can be written, and what was noticed while reading them."""

    def __init__(self, old: OldDatabase, drop: Iterable[str] = ()) -> None:
        self.old, self.drop = old, frozenset(drop)
        self.columns = {name: old.columns(name) for name in OLD_TABLES}
        if "primary_address_id" in self.columns["users_customer"] and not self.columns["location_address"]:
            raise Invalid("This is not a database of the old project: customers have addresses, but there is no location_address.")
        for name, required in REQUIRED.items():
            if missing := sorted(required - self.columns[name]):
                raise Invalid(f"This is not a database of the old project: {name} has no {', '.join(missing)}.")
        self.countries = set(Country.objects.values_list("pk", flat=True))
        self.user_ids = {pk for (pk,) in old.values("users_user", "id")}
        self.customer_ids = {pk for (pk,) in old.values("users_customer", "user_ptr_id")}
        self.owners: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.countries_of: dict[int, str] = {}
        self._look_ahead()
        builders = (self.user, self.email_address, self.address, self.customer, self.history)
        tables = [Table(name, key, model, build) for (name, (key, model)), build in zip(MODELS.items(), builders, strict=True)]
        self.tables = [table for table in tables if self.columns[table.name]]
        self.forget()

    def _look_ahead(self) -> None:
        """What one table has to know of another."""
        customer = self.columns["users_customer"]
        if "primary_address_id" in customer:
            pairs = self.old.values("users_customer", "primary_address_id", "user_ptr_id")
            self.owners = {address: pk for address, pk in pairs if address is not None}
        if "country_id" in customer:
            self.countries_of = {pk: code for pk, code in self.old.values("users_customer", "user_ptr_id", "country_id") if code}
        if {"first_name", "last_name"} <= self.columns["users_user"]:
            for pk, first, last in self.old.values("users_user", "id", "first_name", "last_name"):
                self.names[pk] = f"{first or ''} {last or ''}".strip()

    def forget(self) -> None:
        """Begin a new reading: problems and notices are counted anew."""
        self.problems: dict[str, list[int]] = defaultdict(list)
        self.notices: dict[str, int] = defaultdict(int)
        self.address_ids: set[int] = set()
        self.email_addresses: set[tuple[int, str]] = set()

    def problem(self, code: str, pk: int) -> None:
        """Something that has no place here: it stops the import, or is dropped on request and only counted."""
        if code in self.drop:
            self.notices[f"{code} dropped"] += 1
        else:
            self.problems[code].append(pk)

    def user(self, row: Row) -> Row:
        """A login: id, password hash and dates as they were; the e-mail in its one spelling."""
        email = normalize_email(row["email"] or "")
        if not email:
            self.problem("email_missing", row["id"])
        if row.get("is_superuser"):
            self.notices["superusers"] += 1
        if not _is_readable(row["password"]):
            self.notices["passwords that must be reset"] += 1
        return {
            "id": row["id"],
            "email": email,
            "username": row.get("username") or None,
            "password": row["password"],
            "last_login": _aware(row.get("last_login")),
            "language": self._language(row),
            "is_active": row["is_active"],
            "is_staff": bool(row.get("is_staff")),
            "is_superuser": bool(row.get("is_superuser")),
            "date_joined": _aware(row["date_joined"]),
        }

    def email_address(self, row: Row) -> Row | None:
        """Which addresses were proved (allauth); one row per user and spelling."""
        email = normalize_email(row["email"])
        if (row["user_id"], email) in self.email_addresses:
            return None
        self.email_addresses.add((row["user_id"], email))
        return {**{name: row[name] for name in ("id", "user_id", "verified", "primary")}, "email": email}

    def address(self, row: Row) -> Row | None:
        """A postal address. It belongs to a user here: the one its row names, or the customer whose primary address it is."""
        pk = row["id"]
        owner = row.get("user_id") or row.get("customer_id") or self.owners.get(pk)
        code = (row.get("country_id") or self.countries_of.get(owner or 0) or "").upper()
        if owner not in self.user_ids or code not in self.countries:
            self.problem("address", pk)
            return None
        self.address_ids.add(pk)
        parts = {ours: next((row[name] for name in names if name in row), None) or "" for ours, names in ADDRESS_PARTS.items()}
        return {"id": pk, "user_id": owner, "country_id": code, **parts}

    def customer(self, row: Row) -> Row:
        """The person of a login, under the same id."""
        pk = row["user_ptr_id"]
        profile = self._profile(row, lambda code: self.problem(code, pk))
        if profile["primary_address_id"] not in self.address_ids:
            profile["primary_address_id"] = None  # none, or one whose own row is a problem
        full_name = profile["full_name"] or self.names.get(pk, "")
        return {"id": pk, "user_id": pk, **profile, "full_name": full_name, "inviter_id": self.inviter(row)}

    def history(self, row: Row) -> Row:
        """A former state of a customer, under its old history_id. What has no place here is counted and does not stop anything."""
        pk, at, author = row["user_ptr_id"], _aware(row["history_date"]), row.get("history_user_id")
        return {
            "history_id": row["history_id"],
            "id": pk,
            "user_id": pk,
            **self._profile(row, self._past),
            "inviter_id": _inviter(row),
            "referral_code": "",
            "created_at": at,
            "updated_at": at,
            "history_date": at,
            "history_type": row["history_type"],
            "history_user_id": author if author in self.user_ids else None,
            "history_change_reason": row.get("history_change_reason"),
        }

    def inviter(self, row: Row) -> int | None:
        """The customer who invited this one."""
        inviter = _inviter(row)
        if inviter is None or inviter in self.customer_ids:
            return inviter
        self.problem("inviter", row["user_ptr_id"])
        return None

    def _past(self, code: str) -> None:
        self.notices[f"{code} left out of former states"] += 1

    def _profile(self, row: Row, problem: Callable[[str], None]) -> Row:
        """What a customer and a former state of one have in common."""
        code = (row.get("country_id") or "").upper() or None
        if code is not None and code not in self.countries:
            problem("country")
            code = None
        gender = GENDERS.get((row.get("gender") or "").lower())
        if gender is None:
            problem("gender")
        return {
            "phone_number": _phone(row, code, problem),
            "image": row.get("image") or "",
            "full_name": row.get("full_name") or "",
            "gender": gender or Customer.Gender.NOT_SPECIFIED,
            "birth_date": row.get("birth_date"),
            "country_id": code,
            "primary_address_id": row.get("primary_address_id"),
            "is_verified": bool(row.get("is_verified")),
        }

    def _language(self, row: Row) -> str:
        wanted = (row.get("language") or "en").lower()
        for code in (wanted, wanted.replace("_", "-").split("-")[0]):
            if code in LANGUAGES:
                return code
        self.problem("language", row["id"])
        return "en"


REQUIRED = {
    "users_user": frozenset({"id", "email", "password", "is_active", "date_joined"}),
    "users_customer": frozenset({"user_ptr_id"}),
}
PROFILE = frozenset(
    {
        "user_ptr_id",
        "phone_number",
        "image",
        "full_name",
        "gender",
        "birth_date",
        "country_id",
        "primary_address_id",
        "is_verified",
        "inviter",
        "inviter_id",
    }
)
# The old tables in the order in which they can be written here: the column of the new primary key, and what a row becomes.
MODELS: dict[str, tuple[str, type[Model]]] = {
    "users_user": ("id", User),
    "account_emailaddress": ("id", EmailAddress),
    "location_address": ("id", Address),
    "users_customer": ("user_ptr_id", Customer),
    "users_historicalcustomer": ("history_id", Customer.history.model),
}
# Every table that is read, with the columns that are carried over; of others it is said that they stay behind.
OLD_TABLES = {
    "users_user": REQUIRED["users_user"] | {"username", "last_login", "language", "is_staff", "is_superuser", "first_name", "last_name"},
    "account_emailaddress": frozenset({"id", "user_id", "email", "verified", "primary"}),
    "location_address": frozenset({"id", "user_id", "customer_id", "country_id"}.union(*ADDRESS_PARTS.values())),
    "users_customer": PROFILE,
    "users_historicalcustomer": PROFILE | {"id", "history_id", "history_date", "history_type", "history_user_id", "history_change_reason"},
}


def _inviter(row: Row) -> int | None:
    return row["inviter"] if "inviter" in row else row.get("inviter_id")


def _phone(row: Row, region: str | None, problem: Callable[[str], None]) -> str | None:
    """E.164 when such a number exists, else the text as it was if it can be read as a number at all."""
    text = row.get("phone_number") or None
    if text is None:
        return None
    try:
        number = PhoneNumber.from_string(text, region=region)
    except NumberParseException:
        problem("phone_number")
        return None
    return number.as_e164 if number.is_valid() else text


def _aware(at: datetime | None) -> datetime | None:
    """An instant; one without a zone is UTC, as the old project stored it."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _is_readable(password: str) -> bool:
    """Whether a hasher of ours can check this hash (an unusable one needs none)."""
    if not password or password.startswith("!"):
        return True
    try:
        identify_hasher(password)
    except ValueError:
        return False
    return True
