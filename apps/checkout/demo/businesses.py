"""Who the two businesses are. Prices are cents of their currency, lengths are minutes."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from apps.accounts.models import Role

ADMIN = "admin@clientele.example"
SHARED_CUSTOMER = "Alex Morgenthau"
"""One person who is a client of both."""


def address_of(name: str) -> str:
    """Zoë O’Connor → zoe.oconnor@post.example"""
    plain = unicodedata.normalize("NFKD", name.replace("’", "")).encode("ascii", "ignore").decode().lower()
    return ".".join(re.findall(r"[a-z]+", plain)) + "@post.example"


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """A service; ``terms`` are further fields of catalog.Service."""

    name: str
    minutes: int
    price_cents: int
    category: str
    description: str
    terms: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PractitionerPlan:
    """Somebody who gives ``services`` (by name) on ``weekdays`` from ``start`` to ``end``, with an hour's lunch from ``lunch``.

    ``role``: the member whose login this is. ``saturdays``: every second Saturday morning. ``own_price_cents``: for the first service.
    """

    name: str
    headline: str
    services: tuple[str, ...]
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    start: str = "09:00"
    lunch: str = "13:00"
    end: str = "18:00"
    role: str | None = None
    saturdays: bool = False
    own_price_cents: int | None = None


@dataclass(frozen=True, slots=True)
class PackagePlan:
    """A package of (service name, quantity); ``terms`` are further fields of packages.Package."""

    name: str
    price_cents: int
    description: str
    items: tuple[tuple[str, int], ...]
    terms: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Business:
    """One account. The last ``leads`` clients have bought nothing yet; the first ``customers`` have a login."""

    slug: str
    name: str
    timezone: str
    currency: str
    country: str
    domain: str
    phone_prefix: str
    settings: dict[str, Any]
    staff: dict[str, str]
    services: tuple[ServicePlan, ...]
    practitioners: tuple[PractitionerPlan, ...]
    packages: tuple[PackagePlan, ...]
    clients: tuple[str, ...]
    leads: int = 4
    customers: int = 2

    def staff_emails(self) -> dict[str, str]:
        """The logins of the members, by role."""
        return {role: f"{role}@{self.domain}" for role in self.staff}

    def customer_emails(self) -> list[str]:
        """The clients with a login. The first belongs to this business only, the last to both."""
        return [address_of(name) for name in (*self.clients[: self.customers], SHARED_CUSTOMER)]


PHYSIO = Business(
    slug="kanal-physio",
    name="Kanal Physio & Coaching",
    timezone="Europe/Berlin",
    currency="EUR",
    country="DE",
    domain="kanal-physio.example",
    phone_prefix="+4915112345",
    settings={"order_number_prefix": "KP-", "bank_transfer_instructions": "Kanal Physio GmbH, IBAN DE02 1203 0000 0000 2020 51"},
    staff={
        Role.OWNER: "Katrin Bergmann",
        Role.MANAGER: "Jonas Weidner",
        Role.PRACTITIONER: "Amira Haddad",
        Role.FRONT_DESK: "Lena Voigt",
        Role.BOOKKEEPER: "Dieter Pohl",
    },
    services=(
        ServicePlan(
            "First assessment",
            60,
            9500,
            "Physiotherapy",
            "History, examination and a plan.",
            {"buffer_after_minutes": 15, "slot_step_minutes": 30},
        ),
        ServicePlan(
            "Physiotherapy", 45, 7200, "Physiotherapy", "One to one treatment.", {"buffer_after_minutes": 15, "slot_step_minutes": 15}
        ),
        ServicePlan(
            "Sports massage",
            30,
            4800,
            "Massage",
            "Legs and back.",
            {"buffer_before_minutes": 5, "buffer_after_minutes": 10, "slot_step_minutes": 15},
        ),
        ServicePlan(
            "Coaching session", 50, 12000, "Coaching", "Work, sleep, movement.", {"buffer_after_minutes": 10, "slot_step_minutes": 30}
        ),
        ServicePlan(
            "Back class",
            60,
            2500,
            "Classes",
            "A group of up to eight.",
            {"capacity": 8, "buffer_after_minutes": 15, "min_notice_minutes": 120},
        ),
    ),
    practitioners=(
        PractitionerPlan(
            "Amira Haddad",
            "Physiotherapist, sports medicine",
            ("Physiotherapy", "First assessment", "Sports massage"),
            role=Role.PRACTITIONER,
        ),
        PractitionerPlan(
            "Katrin Bergmann",
            "Founder, physiotherapist",
            ("First assessment", "Physiotherapy"),
            weekdays=(0, 1, 3),
            role=Role.OWNER,
            own_price_cents=11000,
        ),
        PractitionerPlan("Tomás Ferreira", "Coach", ("Coaching session",), start="10:00", lunch="14:00", end="19:00", saturdays=True),
        PractitionerPlan("Nele Krüger", "Massage and classes", ("Back class", "Sports massage"), weekdays=(1, 2, 3, 4), saturdays=True),
    ),
    packages=(
        PackagePlan("Back in motion", 39900, "Six treatments.", (("Physiotherapy", 6),), {"valid_days": 180}),
        PackagePlan("Coaching quarter", 49999, "Twelve weeks, twelve sessions.", (("Coaching session", 12),), {"valid_days": 180}),
        PackagePlan(
            "Runner's check",
            20000,
            "Assessment, treatment, massage.",
            (("First assessment", 1), ("Physiotherapy", 1), ("Sports massage", 1)),
        ),
        PackagePlan("Summer legs", 12000, "Three massages.", (("Sports massage", 3),), {"valid_days": 45}),
        PackagePlan("Burn-out prevention", 0, "In preparation: no items yet.", (), {"is_public": False}),
    ),
    clients=(
        "Hannah Seidel",
        "Mehmet Özkan",
        "Sofia Lindner",
        "Paul Achterberg",
        "Giulia Ferrante",
        "Ben Okafor",
        "Clara Wessels",
        "Viktor Sorokin",
        "Maja Kowalczyk",
        "Felix Brandt",
        "Aylin Demir",
        "Oskar Thiele",
        "Rosa Marquardt",
        "Lukas Neuhaus",
        "Yasmin Rahimi",
        "Emil Jansen",
        "Theresa Gruber",
        "Malik Traoré",
        "Ida Sommer",
        "Anton Reuter",
        "Nora Feldmann",
        "Samuel Stein",
        "Zoë Albrecht",
        "Henrik Maas",
        "Pia Löffler",
    ),
)

SALON = Business(
    slug="hudson-hair",
    name="Hudson Hair Company",
    timezone="America/New_York",
    currency="USD",
    country="US",
    domain="hudson-hair.example",
    phone_prefix="+1212555",
    settings={"order_number_prefix": "HH-", "bank_transfer_instructions": "Hudson Hair Company LLC, account 000123456789"},
    staff={
        Role.OWNER: "Denise Alvarez",
        Role.MANAGER: "Marcus Bell",
        Role.PRACTITIONER: "Priya Raman",
        Role.FRONT_DESK: "Colin Maguire",
        Role.BOOKKEEPER: "Ruth Feinberg",
    },
    services=(
        ServicePlan("Consultation", 20, 0, "Hair", "Free of charge.", {"slot_step_minutes": 20}),
        ServicePlan("Cut and finish", 45, 8500, "Hair", "Wash, cut, blow-dry.", {"buffer_after_minutes": 15, "slot_step_minutes": 15}),
        ServicePlan(
            "Color",
            120,
            21000,
            "Hair",
            "Full color with gloss.",
            {"buffer_after_minutes": 15, "slot_step_minutes": 30, "min_notice_minutes": 1440},
        ),
        ServicePlan("Blow-dry", 30, 4500, "Hair", "Wash and style.", {"buffer_after_minutes": 5, "slot_step_minutes": 15}),
        ServicePlan("Styling workshop", 90, 6000, "Workshops", "Six seats, your own brush.", {"capacity": 6, "buffer_before_minutes": 15}),
    ),
    practitioners=(
        PractitionerPlan(
            "Priya Raman",
            "Senior stylist",
            ("Cut and finish", "Blow-dry", "Consultation"),
            weekdays=(1, 2, 3, 4),
            start="10:00",
            lunch="14:00",
            end="19:00",
            role=Role.PRACTITIONER,
            saturdays=True,
        ),
        PractitionerPlan(
            "Denise Alvarez",
            "Owner, colorist",
            ("Color", "Consultation", "Cut and finish"),
            weekdays=(1, 3, 4),
            start="10:00",
            lunch="13:00",
            end="18:00",
            role=Role.OWNER,
            own_price_cents=24000,
        ),
        PractitionerPlan(
            "Theo Lang", "Stylist", ("Cut and finish", "Color", "Blow-dry", "Styling workshop"), lunch="12:00", end="17:00", saturdays=True
        ),
    ),
    packages=(
        PackagePlan("Blow-dry five", 19900, "Five at the price of four and a bit.", (("Blow-dry", 5),), {"valid_days": 120}),
        PackagePlan("Cut club", 45000, "Six cuts a year.", (("Cut and finish", 6),), {"valid_days": 365}),
        PackagePlan(
            "Color season", 50000, "Consultation, two colors, two cuts.", (("Consultation", 1), ("Color", 2), ("Cut and finish", 2))
        ),
        PackagePlan("Holiday shine", 10000, "Three blow-dries.", (("Blow-dry", 3),), {"valid_days": 45}),
        PackagePlan("Bridal", 0, "In preparation: no items yet.", (), {"is_public": False}),
    ),
    clients=(
        "Grace Whitfield",
        "Omar Castellano",
        "Hailey Park",
        "Desmond Carter",
        "Bianca Moretti",
        "Kenji Watanabe",
        "Latoya Simmons",
        "Peter Novak",
        "Shira Goldberg",
        "Andre Baptiste",
        "Molly O’Connor",
        "Ravi Deshmukh",
        "Tanya Brooks",
        "Luis Ortega",
        "Naomi Fischer",
        "Calvin Wright",
        "Elena Petrova",
        "Jamal Edwards",
        "Sophie Tran",
        "Victor Almeida",
        "Imani Johnson",
        "Walter Kessler",
        "Yuki Tanaka",
        "Dora Lindqvist",
        "Miles Abernathy",
    ),
)

BUSINESSES = (PHYSIO, SALON)
