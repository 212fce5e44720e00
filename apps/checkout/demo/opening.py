"""Opening a business: its people, catalogue, hours and clients, relative to today."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.accounts.models import Account, Membership, Role
from apps.accounts.services.accounts import change_settings, create_account
from apps.catalog.models import Offering, Practitioner, Service
from apps.checkout.demo.businesses import SHARED_CUSTOMER, Business, PackagePlan, PractitionerPlan, address_of
from apps.checkout.demo.providers import connect_providers
from apps.clients.models import Client
from apps.clients.services import create_client
from apps.core.demo import furnishings
from apps.core.events import acting
from apps.core.tenancy import account_scope
from apps.location.models import Country
from apps.packages.models import Package
from apps.packages.services import create_package
from apps.scheduling.hours import local_to_instant
from apps.scheduling.models import DateOverride, TimeOff, WeeklyHours
from apps.users.models import Customer, User
from apps.users.services import confirm_email, create_customer, get_or_create_active_customer

SATURDAY = WeeklyHours.Weekday.SATURDAY
LUNCH = timedelta(hours=1)
SOURCES = ("website", "recommendation", "walk-in", "search", "newsletter")
TAGS: tuple[list[str], ...] = (["regular"], ["regular", "morning"], [], ["newsletter"], ["evening"])


@dataclass(frozen=True, slots=True)
class Opened:
    """A business that is ready to trade; members by role, services, practitioners and packages by name."""

    plan: Business
    account: Account
    users: dict[str, User]
    services: dict[str, Service]
    practitioners: dict[str, Practitioner]
    packages: dict[str, Package]
    clients: list[Client]


def open_business(plan: Business, at: datetime) -> Opened:
    """The account with everything that is there before the first sale."""
    users = {role: _login(email, plan.staff[role]).user for role, email in plan.staff_emails().items()}
    owner, country = users[Role.OWNER], Country.objects.get(pk=plan.country)
    with acting(owner.pk, "command"):
        account = create_account(
            owner=owner, name=plan.name, slug=plan.slug, timezone=plan.timezone, currency=plan.currency, country=country
        )
        with account_scope(account):
            account = change_settings(account_id=account.pk, values=plan.settings)
            for role in plan.staff:
                if role != Role.OWNER:
                    Membership.objects.create(account=account, user=users[role], role=role)
            services = {
                s.name: Service.objects.create(
                    account=account,
                    name=s.name,
                    duration_minutes=s.minutes,
                    price_cents=s.price_cents,
                    category=s.category,
                    description=s.description,
                    **s.terms,
                )
                for s in plan.services
            }
            today = at.astimezone(ZoneInfo(plan.timezone)).date()
            practitioners = {p.name: _practitioner(account, p, services, today) for p in plan.practitioners}
            _exceptions(account, list(practitioners.values()), today)
            packages = {p.name: _package(account, p, services) for p in plan.packages}
            clients = _clients(account, plan)
            connect_providers()
            for furnish in furnishings:
                furnish(account, at)
    return Opened(plan, account, users, services, practitioners, packages, clients)


def _login(email: str, name: str, phone_number: str | None = None) -> Customer:
    """A person who can sign in with a confirmed address, once credentials.py has given the login a password."""
    customer = create_customer(email=email, full_name=name, phone_number=phone_number)
    confirm_email(user=customer.user)
    return customer


def _practitioner(account: Account, plan: PractitionerPlan, services: dict[str, Service], today: date) -> Practitioner:
    """Somebody with offerings, weekly hours around lunch and, for some, every second Saturday from this week on."""
    practitioner = Practitioner.objects.create(
        account=account,
        display_name=plan.name,
        headline=plan.headline,
        timezone=account.timezone,
        member=Membership.objects.get(role=plan.role) if plan.role else None,
    )
    for position, name in enumerate(plan.services):
        own_price = plan.own_price_cents if position == 0 else None
        Offering.objects.create(account=account, practitioner=practitioner, service=services[name], price_cents=own_price)
    start, lunch, end = (time.fromisoformat(text) for text in (plan.start, plan.lunch, plan.end))
    after_lunch = (datetime.combine(today, lunch) + LUNCH).time()
    openings = [(weekday, *hours) for weekday in plan.weekdays for hours in ((start, lunch), (after_lunch, end))]
    common = {"account": account, "practitioner": practitioner}
    WeeklyHours.objects.bulk_create(WeeklyHours(**common, weekday=day, start=since, end=until) for day, since, until in openings)
    if plan.saturdays:
        WeeklyHours.objects.create(**common, weekday=SATURDAY, start=time(10), end=time(14), every_weeks=2, anchor=today)
    return practitioner


def _exceptions(account: Account, practitioners: list[Practitioner], today: date) -> None:
    """A long evening, a closed day, somebody's holiday, and a day in the past on which all was closed."""
    first, second, *_ = practitioners
    zone = ZoneInfo(account.timezone)
    common = {"account": account}
    evening = [{"start": "12:00", "end": "16:00"}, {"start": "17:00", "end": "21:00"}]
    DateOverride.objects.create(**common, practitioner=first, date=_weekday_after(today + timedelta(days=8)), windows=evening)
    DateOverride.objects.create(**common, practitioner=second, date=_weekday_after(today + timedelta(days=15)), windows=[])

    def midnight(day: date) -> datetime:
        return local_to_instant(datetime.combine(day, time()), zone)

    holiday, closed = today + timedelta(days=40), today - timedelta(days=33)
    TimeOff.objects.create(
        **common,
        practitioner=practitioners[-1],
        starts_at=midnight(holiday),
        ends_at=midnight(holiday + timedelta(days=9)),
        reason="Holiday",
    )
    TimeOff.objects.create(**common, starts_at=midnight(closed), ends_at=midnight(closed + timedelta(days=1)), reason="Moving furniture")


def _weekday_after(day: date) -> date:
    """The day itself, or the Tuesday after a weekend, Monday included."""
    return day if 1 <= day.weekday() <= 4 else day + timedelta(days=(1 - day.weekday()) % 7)


def _package(account: Account, plan: PackagePlan, services: dict[str, Service]) -> Package:
    items = [{"service": services[name], "quantity": quantity} for name, quantity in plan.items]
    return create_package(
        account_id=account.pk,
        package_name=plan.name,
        price_cents=plan.price_cents,
        description=plan.description,
        items=items,
        **plan.terms,
    )


def _clients(account: Account, plan: Business) -> list[Client]:
    """All clients, in the order of the plan, then the person who is a client of both businesses."""
    clients = []
    for number, name in enumerate(plan.clients):
        email, phone = address_of(name), f"{plan.phone_prefix}{number + 100:04d}"
        is_lead = number >= len(plan.clients) - plan.leads
        clients.append(
            create_client(
                account_id=account.pk,
                customer=_login(email, name, phone) if number < plan.customers else None,
                full_name=name,
                email=email,
                phone_number=phone,
                stage=Client.Stage.LEAD if is_lead else Client.Stage.ACTIVE,
                source=SOURCES[number % len(SOURCES)],
                tags=TAGS[number % len(TAGS)],
            )
        )
    email = address_of(SHARED_CUSTOMER)
    shared, _ = get_or_create_active_customer(email=email, full_name=SHARED_CUSTOMER)
    confirm_email(user=shared.user)
    return [*clients, create_client(account_id=account.pk, customer=shared, full_name=SHARED_CUSTOMER, email=email, source="website")]
