"""What a segment may ask for. Each condition is one lookup; all of a segment's must hold.

Conditions over what other apps keep about clients (sessions, orders) are registered by those apps: ``apps/<app>/segments.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, F, Field, Func, IntegerField, JSONField, Q, QuerySet, TextField, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, LessThanOrEqual

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.core.errors import Invalid
from apps.core.parsing import DAY, MAX_INTEGER, parse_day, parse_instant

MAX_CONDITIONS = 20
MAX_VALUES = 50
MAX_TEXT = 200
MAX_DAYS = 36_500
CUSTOM = "custom_fields."


@dataclass(frozen=True, slots=True)
class Moment:
    """When a segment is asked for, and in whose zone its days begin."""

    at: datetime
    zone: str


Reader = Callable[[Any], Any]
Lookup = Callable[[str, Any, Moment], Q]


@dataclass(frozen=True, slots=True)
class Condition:
    """``operators`` say how each one's value is read (ValueError: it is not of that kind); ``lookup`` makes the filter on clients."""

    operators: Mapping[str, Reader]
    lookup: Lookup


CONDITIONS: dict[str, Condition] = {}


def condition(name: str, **operators: Reader) -> Callable[[Lookup], Lookup]:
    """Register a condition: the decorated function gets the operator, the value that was read, and the moment."""

    def register(lookup: Lookup) -> Lookup:
        CONDITIONS[name] = Condition(operators, lookup)
        return lookup

    return register


# -- kinds of values


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Send true or false.")
    return value


def texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_VALUES or not all(isinstance(v, str) and len(v) <= MAX_TEXT for v in value):
        raise ValueError(f"Send a list of 1 to {MAX_VALUES} texts.")
    return value


def ids(value: Any) -> list[int]:
    whole = isinstance(value, list) and all(isinstance(v, int) and not isinstance(v, bool) and 0 < v <= MAX_INTEGER for v in value)
    if not whole or not 0 < len(value) <= MAX_VALUES:
        raise ValueError(f"Send a list of 1 to {MAX_VALUES} ids.")
    return value


def cents(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**15:
        raise ValueError("Send an amount in cents.")
    return value


def point_in_time(value: Any) -> Any:
    """A local date, an instant, or {"days_ago": n}: what is stored is what was sent."""
    if isinstance(value, dict):
        days = value.get("days_ago")
        if set(value) != {"days_ago"} or isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= MAX_DAYS:
            raise ValueError(f'Send a date, an instant, or {{"days_ago": 0 to {MAX_DAYS}}}.')
        return value
    if isinstance(value, str) and DAY.fullmatch(value):
        return parse_day(value).isoformat()
    return parse_instant(value).isoformat()


def instant_of(value: Any, moment: Moment) -> datetime:
    """The instant that a stored point in time means now; days begin at local midnight."""
    zone = ZoneInfo(moment.zone)
    if isinstance(value, dict):
        day = moment.at.astimezone(zone).date() - timedelta(days=value["days_ago"])
    elif DAY.fullmatch(value):
        day = date.fromisoformat(value)
    else:
        return parse_instant(value)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def simple(value: Any) -> Any:
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        return value
    if isinstance(value, bool) or (isinstance(value, int | float) and abs(value) <= 10**15):
        return value
    raise ValueError(f"Send a number, true, false, or a text of up to {MAX_TEXT} characters.")


def some_text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise ValueError(f"Send a text of 1 to {MAX_TEXT} characters.")
    return value


def orderable(value: Any) -> Any:
    """A number, or a date as custom fields store it."""
    if isinstance(value, str):
        return parse_day(value).isoformat()
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 10**15:
        raise ValueError("Send a number, or a date as YYYY-MM-DD.")
    return value


# -- the client's own conditions


def stages(value: Any) -> list[str]:
    if any(one not in Client.Stage.values for one in texts(value)):
        raise ValueError(f"Send a list of: {', '.join(Client.Stage.values)}.")
    return value


@condition("stage", **{"in": stages})
def _stage(op: str, value: Any, moment: Moment) -> Q:
    return Q(stage__in=value)


@condition("source", **{"in": texts})
def _source(op: str, value: Any, moment: Moment) -> Q:
    return Q(source__in=value)


@condition("owner", **{"in": ids, "is_set": truth})
def _owner(op: str, value: Any, moment: Moment) -> Q:
    return Q(owner_id__in=value) if op == "in" else Q(owner__isnull=not value)


@condition("tags", any=texts, all=texts, none=texts)
def _tags(op: str, value: Any, moment: Moment) -> Q:
    if op == "all":
        return Q(tags__contains=value)
    return Q(tags__overlap=value) if op == "any" else ~Q(tags__overlap=value)


@condition("has_login", **{"is": truth})
def _has_login(op: str, value: Any, moment: Moment) -> Q:
    return Q(customer__isnull=not value)


@condition("has_email", **{"is": truth})
def _has_email(op: str, value: Any, moment: Moment) -> Q:
    return ~Q(email="") if value else Q(email="")


@condition("is_blocked", **{"is": truth})
def _is_blocked(op: str, value: Any, moment: Moment) -> Q:
    return Q(blocked_at__isnull=not value)


@condition("created", before=point_in_time, after=point_in_time)
def _created(op: str, value: Any, moment: Moment) -> Q:
    instant = instant_of(value, moment)
    return Q(created_at__lt=instant) if op == "before" else Q(created_at__gte=instant)


class _Member(Func):
    """custom_fields -> key: the key is always a name, also one that looks like a number."""

    template = "(%(expressions)s::text)"
    arg_joiner = " -> "
    output_field: Field = JSONField()


class _MemberText(_Member):
    arg_joiner = " ->> "
    output_field = TextField()


class _Kind(Func):
    function = "jsonb_typeof"
    output_field = TextField()


CUSTOM_OPERATORS: dict[str, Reader] = {
    "equals": simple,
    "contains": some_text,
    "at_least": orderable,
    "at_most": orderable,
    "is_set": truth,
}


def _custom(key: str, op: str, value: Any) -> Q:
    member = _Member(F("custom_fields"), Value(key))
    if op == "equals":
        return Q(custom_fields__contains={key: value})
    if op == "contains":
        inside = Func(
            Lower(_MemberText(F("custom_fields"), Value(key))), Lower(Value(value)), function="strpos", output_field=IntegerField()
        )
        return Q(GreaterThan(inside, 0)) | Q(custom_fields__contains={key: [value]})
    if op == "is_set":
        empty = Q(custom_fields__contains={key: None}) | Q(custom_fields__contains={key: ""})
        has_key = Q(Func(F("custom_fields"), Value(key), function="jsonb_exists", output_field=BooleanField()))
        return has_key & ~empty if value else ~has_key | empty
    compare = GreaterThanOrEqual if op == "at_least" else LessThanOrEqual
    kind = "string" if isinstance(value, str) else "number"
    return Q(Exact(_Kind(member), Value(kind))) & Q(compare(member, Value(value, output_field=JSONField())))


# -- a segment


def checked(conditions: Any) -> list[dict[str, Any]]:
    """The conditions as they are stored. Raises Invalid, saying which of them is wrong and why."""
    if not isinstance(conditions, list) or not 0 < len(conditions) <= MAX_CONDITIONS:
        raise Invalid(fields={"conditions": [f"Send a list of 1 to {MAX_CONDITIONS} conditions."]})
    made, wrong = [], []
    for number, one in enumerate(conditions, start=1):
        try:
            made.append(_checked(one))
        except ValueError as error:
            wrong.append(f"Condition {number}: {error}")
    if wrong:
        raise Invalid(fields={"conditions": wrong})
    return made


def _checked(one: Any) -> dict[str, Any]:
    if not isinstance(one, dict) or set(one) != {"field", "op", "value"}:
        raise ValueError("Send field, op and value.")
    name, op = one["field"], one["op"]
    if not isinstance(name, str) or not isinstance(op, str):
        raise ValueError("field and op are texts.")
    operators = _operators(name)
    if op not in operators:
        raise ValueError(f"op is one of: {', '.join(sorted(operators))}.")
    return {"field": name, "op": op, "value": operators[op](one["value"])}


def _operators(name: str) -> Mapping[str, Reader]:
    if name.startswith(CUSTOM) and len(CUSTOM) < len(name) <= len(CUSTOM) + 64:
        return CUSTOM_OPERATORS
    if name not in CONDITIONS:
        raise ValueError(f"field is one of: {', '.join(sorted(CONDITIONS))}, or {CUSTOM}<key>.")
    return CONDITIONS[name].operators


def within(clients: QuerySet, conditions: list[dict[str, Any]], *, account: Account, at: datetime) -> QuerySet:
    """Those of these clients for whom every condition holds."""
    moment = Moment(at, account.timezone)
    for one in conditions:
        name, op, value = one["field"], one["op"], one["value"]
        found = _custom(name.removeprefix(CUSTOM), op, value) if name.startswith(CUSTOM) else CONDITIONS[name].lookup(op, value, moment)
        clients = clients.filter(found)
    return clients
