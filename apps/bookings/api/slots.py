"""Query parameters and answer of the slots lists, shared by every door that shows them."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apps.accounts.models import Account, zone_names
from apps.bookings.slots import Slot, find_slots, offers_of
from apps.catalog.models import Practitioner, Service
from apps.core.errors import Invalid, UnknownField
from apps.scheduling.hours import local_to_instant, offset_spans

MAX_DAYS = 62
PARAMETERS = {"service", "practitioner", "from", "to", "timezone", "party"}
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall clock


def answer_slots(account: Account, query: Any, at: datetime) -> dict[str, Any]:
    """{timezone, slots} for ``service= practitioner=(id or any) from= to= timezone= party=``.

    Raises UnknownField and Invalid with the parameter at fault; a service or practitioner of another account does not exist.
    """
    unknown = [key for key in query if key not in PARAMETERS]
    if unknown:
        raise UnknownField(fields={key: ["There is no such parameter."] for key in unknown})
    service_id = _id(query.get("service"), "service")
    practitioner = query.get("practitioner") or "any"
    practitioner_id = None if practitioner == "any" else _id(practitioner, "practitioner")
    zone_name = query.get("timezone") or account.timezone
    if zone_name not in zone_names():
        raise Invalid(fields={"timezone": ["This is not an IANA time zone name, for example Europe/Berlin."]})
    zone = ZoneInfo(zone_name)
    first, last = _date(query.get("from"), "from"), _date(query.get("to"), "to")
    if last <= first:
        raise Invalid(fields={"to": ["`to` is exclusive and must lie after `from`."]})
    if (last - first).days > MAX_DAYS:
        raise Invalid(fields={"to": [f"Ask for at most {MAX_DAYS} days."]})
    party = _party(query.get("party"))
    terms, offers = offers_of(account.pk, service_id, practitioner_id)
    if terms is None or not offers:
        _must_exist(Service, service_id, "service")
        if practitioner_id is not None:
            _must_exist(Practitioner, practitioner_id, "practitioner")
        return {"timezone": zone_name, "slots": []}
    since, until = (local_to_instant(datetime.combine(day, time()), zone) for day in (first, last))
    slots = find_slots(account=account, terms=terms, offers=offers, since=since, until=until, at=at, party=party)
    return {"timezone": zone_name, "slots": render_slots(slots, zone, account.currency)}


def render_slots(slots: list[Slot], zone: ZoneInfo, currency: str) -> list[dict[str, Any]]:
    """Slots with RFC 3339 times in ``zone``. The zone is asked once per change of its offset, not once per slot."""
    if not slots:
        return []
    text = _Clock(zone, min(s.bookable_until for s in slots), max(s.end for s in slots)).text
    return [
        {
            "start": text(slot.start),
            "end": text(slot.end),
            "practitioner": slot.practitioner_id,
            "seats_left": slot.seats_left,
            "price_cents": slot.price_cents,
            "currency": currency,
            "bookable_until": text(slot.bookable_until),
        }
        for slot in slots
    ]


class _Clock:
    """Writes epoch seconds as RFC 3339 in one zone."""

    def __init__(self, zone: ZoneInfo, first: int, last: int) -> None:
        self.spans = [(until, offset, _offset_text(offset)) for _, until, offset in offset_spans(zone, first, last + 1)]
        self.known: dict[int, str] = {}

    def text(self, seconds: int) -> str:
        found = self.known.get(seconds)
        if found is None:
            position = 0
            while seconds >= self.spans[position][0]:
                position += 1
            _, offset, suffix = self.spans[position]
            found = self.known[seconds] = (EPOCH + timedelta(seconds=seconds + offset)).isoformat() + suffix
        return found


def _offset_text(seconds: int) -> str:
    sign, minutes = ("-" if seconds < 0 else "+"), abs(seconds) // 60
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _id(value: str | None, name: str) -> int:
    if not value:
        raise Invalid(fields={name: ["This parameter is required."]})
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise Invalid(fields={name: [f'Invalid pk "{value}" - object does not exist.']})
    return int(value)


def _must_exist(model: Any, pk: int, name: str) -> None:
    """Only asked when there are no offers: a foreign row and a missing one look the same."""
    if not model.objects.filter(pk=pk).exists():
        raise Invalid(fields={name: [f'Invalid pk "{pk}" - object does not exist.']})


def _date(value: str | None, name: str) -> date:
    try:
        parsed = date.fromisoformat(value or "")
    except ValueError as error:
        raise Invalid(fields={name: ["Send a local date, YYYY-MM-DD."]}) from error
    if not 1970 <= parsed.year <= 2200:
        raise Invalid(fields={name: ["Send a date between 1970 and 2200."]})
    return parsed


def _party(value: str | None) -> int:
    if not value:
        return 1
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:5]) <= 1000):
        raise Invalid(fields={"party": ["Send a number from 1 to 1000."]})
    return int(value)
