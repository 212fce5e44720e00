"""What the slots are made from: hours, overrides and closures, in two statements."""

from datetime import UTC, date, datetime, time

import pytest

from apps.core.tenancy import account_scope
from apps.scheduling.hours import DayOverride, DayWindow, WeeklyPlan
from apps.scheduling.selectors import Availability, Closure, availability
from factories.catalog import PractitionerFactory
from factories.scheduling import DateOverrideFactory, TimeOffFactory, WeeklyHoursFactory

DAYS = (date(2027, 1, 4), date(2027, 1, 6))
INSTANTS = (datetime(2027, 1, 4, tzinfo=UTC), datetime(2027, 1, 7, tzinfo=UTC))


def at(day, hour=0):
    return datetime(2027, 1, day, hour, tzinfo=UTC)


def test_weekly_hours_become_plans(in_account):
    kim, lee = PractitionerFactory.create_batch(2, account=in_account)
    everything = {
        "weekday": 6,
        "start": time(22),
        "end": time(2),
        "valid_from": date(2027, 1, 1),
        "valid_to": date(2027, 12, 31),
        "every_weeks": 2,
        "anchor": date(2027, 1, 4),
        "priority": 3,
    }
    WeeklyHoursFactory(account=in_account, practitioner=kim, **everything)
    WeeklyHoursFactory(account=in_account, practitioner=lee, weekday=0, start=time(9), end=time(17))
    WeeklyHoursFactory(account=in_account)

    found = availability(in_account.pk, [kim.pk, lee.pk], DAYS, INSTANTS)

    assert found == {
        kim.pk: Availability(plans=[WeeklyPlan(**everything)]),
        lee.pk: Availability(plans=[WeeklyPlan(weekday=0, start=time(9), end=time(17))]),
    }


def test_overrides_are_those_of_the_days(in_account):
    kim = PractitionerFactory(account=in_account)
    for day in (3, 4, 6, 7):
        DateOverrideFactory(account=in_account, practitioner=kim, date=date(2027, 1, day))
    windows = [{"start": "20:00", "end": "01:30"}]
    DateOverrideFactory(account=in_account, practitioner=kim, date=date(2027, 1, 5), windows=windows, adds=True)

    found = availability(in_account.pk, [kim.pk], DAYS, INSTANTS)[kim.pk].overrides

    assert sorted(found, key=lambda override: override.date) == [
        DayOverride(date(2027, 1, 4)),
        DayOverride(date(2027, 1, 5), (DayWindow(time(20), time(1, 30)),), adds=True),
        DayOverride(date(2027, 1, 6)),
    ]


def test_closures_are_those_that_touch_the_instants(in_account):
    kim, lee = PractitionerFactory.create_batch(2, account=in_account)
    for owner, start, end in (
        (kim, at(3), at(4)),  # ends when the range starts
        (kim, at(3), at(4, 1)),
        (kim, at(6, 23), at(9)),
        (kim, at(7), at(8)),  # starts when the range ends
        (lee, at(5), at(6)),
        (None, at(5, 10), at(5, 12)),
    ):
        last = TimeOffFactory(account=in_account, practitioner=owner, starts_at=start, ends_at=end)

    found = availability(in_account.pk, [kim.pk, lee.pk], DAYS, INSTANTS)

    assert sorted(found[kim.pk].spans) == [(at(3), at(4, 1)), (at(5, 10), at(5, 12)), (at(6, 23), at(9))]
    assert sorted(found[lee.pk].spans) == [(at(5), at(6)), (at(5, 10), at(5, 12))]
    assert Closure(at(5, 10), at(5, 12), last.pk, of_account=True) in found[kim.pk].closures
    assert [closure.of_account for closure in sorted(found[lee.pk].closures)] == [False, True]


def test_another_account_closes_nothing(in_account, other_account):
    kim = PractitionerFactory(account=in_account)
    foreign = PractitionerFactory(account=other_account)
    for factory in (WeeklyHoursFactory, DateOverrideFactory, TimeOffFactory):
        factory(account=other_account, practitioner=foreign)
    TimeOffFactory(account=other_account)

    assert availability(in_account.pk, [kim.pk, foreign.pk], DAYS, INSTANTS) == {kim.pk: Availability(), foreign.pk: Availability()}
    assert availability(other_account.pk, [foreign.pk], DAYS, INSTANTS) == {foreign.pk: Availability()}  # not in this scope


def test_nobody_needs_nothing(in_account):
    TimeOffFactory(account=in_account)

    assert availability(in_account.pk, [], DAYS, INSTANTS) == {}


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_practitioners_does_not_matter(account, statements, count):
    practitioners = PractitionerFactory.create_batch(count, account=account)
    for practitioner in practitioners:
        for factory in (WeeklyHoursFactory, DateOverrideFactory, TimeOffFactory):
            factory.create_batch(1, account=account, practitioner=practitioner)

    with account_scope(account), statements() as made:
        found = availability(account.pk, [p.pk for p in practitioners], DAYS, INSTANTS)

    assert [len(one.plans) + len(one.overrides) + len(one.closures) for one in found.values()] == [3] * count
    assert len(made()) == 2
