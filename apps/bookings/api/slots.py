"""Query parameters and answer of the slots lists, shared by every door that shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from apps.accounts.models import Account, zone_names
from apps.bookings.explain import Reason, explain
from apps.bookings.models import Booking
from apps.bookings.slots import Diary, Offer, Start, Terms, nearest_starts, offers_of, open_diary
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.errors import Invalid, UnknownField
from apps.core.parsing import parse_day, parse_instant
from apps.scheduling.hours import local_to_instant, offset_spans

MAX_DAYS = 62
NEAREST_WITHIN = timedelta(days=14)
PARAMETERS = {"service", "practitioner", "from", "to", "timezone", "party", "client", "booking", "explain"}
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall clock

Found = Sequence[tuple[Offer, Sequence[Start]]]
"""Bookable starts by offer, offers by practitioner id."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a slots request asks, with every value checked on its own; ids are looked up later."""

    service_id: int
    practitioner_id: int | None
    zone: ZoneInfo
    since: datetime | None
    until: datetime | None
    instant: datetime | None
    party: int
    client_id: int | None
    booking_id: int | None


def answer_slots(account: Account, query: Any, at: datetime, *, online: bool = False) -> dict[str, Any]:
    """{timezone, slots}, and with ``explain=`` {timezone, bookable, reasons, nearest}; ``online`` as clients may book themselves.

    Raises UnknownField and Invalid with the parameter at fault; a row of another account does not exist.
    """
    asked = _question(account, query)
    terms, offers = offers_of(account.pk, asked.service_id, asked.practitioner_id)
    if terms is None or not offers:
        _must_exist(Service, asked.service_id, "service")
        if asked.practitioner_id is not None:
            _must_exist(Practitioner, asked.practitioner_id, "practitioner")
    client_id = _client(asked)
    answer: dict[str, Any] = {"timezone": asked.zone.key}
    if terms is None or not offers:
        return answer | (_nobody(asked) if asked.instant is not None else {"slots": []})

    def diary(since: datetime, until: datetime) -> Diary:
        return open_diary(account, terms, offers, since, until, except_booking=asked.booking_id, at=at, client_id=client_id, online=online)

    if asked.instant is not None:
        around = diary(asked.instant - NEAREST_WITHIN, asked.instant + NEAREST_WITHIN)
        answer |= _explanation(around, offers, asked.instant, at, asked.party, asked.zone, account.currency)
    if asked.since is not None and asked.until is not None:
        opened = diary(asked.since, asked.until)
        found = [(offer, opened.starts(offer, at, asked.party)) for offer in offers]
        answer["slots"] = slots_json(terms, found, asked.zone, account.currency)
    return answer


def _explanation(
    diary: Diary, offers: Sequence[Offer], instant: datetime, at: datetime, party: int, zone: ZoneInfo, currency: str
) -> dict[str, Any]:
    reasons = explain(diary, offers, instant, at, party=party)
    nearest = nearest_starts([slot for offer in offers for slot in diary.slots(offer, at, party)], instant)
    of = {offer.practitioner_id: offer for offer in offers}
    found = [(of[slot.practitioner_id], [(slot.start, slot.seats_left)]) for slot in nearest]
    return {
        "bookable": len({reason.practitioner_id for reason in reasons}) < len(offers),
        "reasons": [_render_reason(reason) for reason in reasons],
        "nearest": slots_json(diary.terms, found, zone, currency),
    }


def _render_reason(reason: Reason) -> dict[str, Any]:
    return {"code": reason.code, "rule": reason.rule, "detail": reason.detail, "practitioner": reason.practitioner_id}


def _nobody(asked: Question) -> dict[str, Any]:
    detail = "Nobody offers this service now." if asked.practitioner_id is None else "This practitioner does not offer this service."
    reason = {"code": "validation_error", "rule": "not_offered", "detail": detail, "practitioner": asked.practitioner_id}
    return {"bookable": False, "reasons": [reason], "nearest": []}


# -- the answer


def slots_json(terms: Terms, found: Found, zone: ZoneInfo, currency: str) -> orjson.Fragment:
    """The list of slots by start and practitioner, as finished JSON, because a long answer is most of the work.

    The times of a start are written once for all practitioners, and what is the same for a practitioner's slots once for them.
    """
    starts = [start for _, offered in found for start, _ in offered]
    if not starts:
        return orjson.Fragment(b"[]")
    notice = terms.min_notice_minutes * 60
    longest = max(offer.duration_minutes for offer, _ in found) * 60
    clock = _Clock(zone, min(starts) - notice, max(starts) + longest)
    times: dict[int, _Times] = {}
    slots: dict[int, list[str]] = {}
    for offer, offered in found:
        length = offer.duration_minutes * 60
        written = times.setdefault(length, _Times(clock, length, notice))
        rest: dict[int, str] = {}
        for start, seats in offered:
            if seats not in rest:
                rest[seats] = _rest(offer, seats, currency)
            slots.setdefault(start, []).append(written[start] + rest[seats])
    text = ",".join(chain.from_iterable(slots[start] for start in sorted(slots)))
    return orjson.Fragment(f"[{text}]".encode())


def _rest(offer: Offer, seats: int, currency: str) -> str:
    """The second half of a slot's JSON: all that is no time."""
    values = {"practitioner": offer.practitioner_id, "seats_left": seats, "price_cents": offer.price_cents, "currency": currency}
    return "," + orjson.dumps(values).decode()[1:]


class _Times(dict[int, str]):
    """The first half of a slot's JSON by its start: the times, which hold no character that JSON would escape."""

    def __init__(self, clock: "_Clock", length: int, notice: int) -> None:
        super().__init__()
        self.clock, self.length, self.notice = clock, length, notice

    def __missing__(self, start: int) -> str:
        text = self.clock.text
        made = f'{{"start":"{text(start)}","end":"{text(start + self.length)}","bookable_until":"{text(start - self.notice)}"'
        self[start] = made
        return made


class _Clock:
    """Writes epoch seconds as RFC 3339 in one zone, which is asked once per change of its offset."""

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


# -- the question


def _question(account: Account, query: Any) -> Question:
    unknown = [key for key in query if key not in PARAMETERS]
    if unknown:
        raise UnknownField(fields={key: ["There is no such parameter."] for key in unknown})
    practitioner = query.get("practitioner") or "any"
    zone_name = query.get("timezone") or account.timezone
    if zone_name not in zone_names():
        raise Invalid(fields={"timezone": ["This is not an IANA time zone name, for example Europe/Berlin."]})
    service_id = _id(query.get("service"), "service")
    practitioner_id = None if practitioner == "any" else _id(practitioner, "practitioner")
    zone, instant = ZoneInfo(zone_name), _instant(query.get("explain"))
    since = until = None
    if instant is None or "from" in query or "to" in query:
        since, until = _range(query.get("from"), query.get("to"), zone)
    return Question(
        service_id,
        practitioner_id,
        zone,
        since,
        until,
        instant,
        _party(query.get("party")),
        _id(query["client"], "client") if query.get("client") else None,
        _id(query["booking"], "booking") if query.get("booking") else None,
    )


def _client(asked: Question) -> int | None:
    """Whose limits count: the client who is named, or the one of the booking that is being moved."""
    if asked.client_id is not None:
        _must_exist(Client, asked.client_id, "client")
    if asked.booking_id is None:
        return asked.client_id
    owner = _must_exist(Booking, asked.booking_id, "booking", "client_id")
    return owner if asked.client_id is None else asked.client_id


def _range(first_text: str | None, last_text: str | None, zone: ZoneInfo) -> Iterable[datetime]:
    first, last = _date(first_text, "from"), _date(last_text, "to")
    if last <= first:
        raise Invalid(fields={"to": ["`to` is exclusive and must lie after `from`."]})
    if (last - first).days > MAX_DAYS:
        raise Invalid(fields={"to": [f"Ask for at most {MAX_DAYS} days."]})
    return [local_to_instant(datetime.combine(day, time()), zone) for day in (first, last)]


def _id(value: str | None, name: str) -> int:
    if not value:
        raise Invalid(fields={name: ["This parameter is required."]})
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise Invalid(fields={name: [f'Invalid pk "{value}" - object does not exist.']})
    return int(value)


def _must_exist(model: Any, pk: int, name: str, column: str = "pk") -> int:
    """A column of the row; a foreign row and a missing one look the same."""
    found: int | None = model.objects.filter(pk=pk).values_list(column, flat=True).first()
    if found is None:
        raise Invalid(fields={name: [f'Invalid pk "{pk}" - object does not exist.']})
    return found


def _date(value: str | None, name: str) -> date:
    try:
        parsed = parse_day(value)
    except ValueError as error:
        raise Invalid(fields={name: ["Send a local date, YYYY-MM-DD."]}) from error
    if not 1970 <= parsed.year <= 2200:
        raise Invalid(fields={name: ["Send a date between 1970 and 2200."]})
    return parsed


def _instant(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_instant(with_plus(value))
    except ValueError as error:
        raise Invalid(fields={"explain": [str(error)]}) from error


def with_plus(text: str) -> str:
    """An instant out of a query: a plus sign that nobody escaped arrives as a space."""
    return text.replace(" ", "+") if "T" in text.upper() else text


def _party(value: str | None) -> int:
    if not value:
        return 1
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= 1000):
        raise Invalid(fields={"party": ["Send a number from 1 to 1000."]})
    return int(value)
