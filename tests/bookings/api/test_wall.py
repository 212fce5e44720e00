"""Starts that are typed as a wall time: exact, missing, ambiguous."""

from datetime import UTC, datetime

import pytest
from rest_framework import serializers

from apps.bookings.api.wall import WallStartField, start_from_input
from apps.bookings.errors import LocalTimeAmbiguous, LocalTimeMissing
from apps.core.errors import Invalid


@pytest.mark.parametrize(
    ("wall", "zone", "instant"),
    [
        ("2026-05-01T09:00", "Asia/Kathmandu", "2026-05-01T03:15"),
        ("2026-03-08T03:00", "America/New_York", "2026-03-08T07:00"),
        ("2026-11-01T02:00:00", "America/New_York", "2026-11-01T07:00"),
        ("2026-10-04T02:30", "Australia/Lord_Howe", "2026-10-03T15:30"),
    ],
)
def test_a_wall_time_becomes_its_instant(wall, zone, instant):
    found = start_from_input(WallStartField().run_validation(wall), zone)

    assert found == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "zone", "continues_at"),
    [
        ("2026-03-08T02:30", "America/New_York", "2026-03-08T03:00:00-04:00"),
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-04T02:30:00+11:00"),
        ("2026-09-06T00:00", "America/Santiago", "2026-09-06T01:00:00-03:00"),
        ("2026-04-24T00:30", "Africa/Cairo", "2026-04-24T01:00:00+03:00"),
        ("2011-12-30T12:00", "Pacific/Apia", "2011-12-31T00:00:00+14:00"),
    ],
)
def test_a_time_in_a_gap_is_missing(wall, zone, continues_at):
    with pytest.raises(LocalTimeMissing) as refused:
        start_from_input(datetime.fromisoformat(wall), zone)

    error = refused.value
    assert (error.code, error.status, list(error.fields), error.extras) == (
        "local_time_missing",
        400,
        ["local_start"],
        {"continues_at": continues_at},
    )


def test_a_time_in_a_fold_is_ambiguous():
    with pytest.raises(LocalTimeAmbiguous) as refused:
        start_from_input(datetime.fromisoformat("2026-11-01T01:30"), "America/New_York", field="start")

    error = refused.value
    assert (error.code, error.status, list(error.fields)) == ("local_time_ambiguous", 400, ["start"])
    assert error.extras == {"candidates": ["2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"]}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "+01:00"])
def test_a_zone_has_to_exist(zone):
    with pytest.raises(Invalid) as refused:
        start_from_input(datetime.fromisoformat("2026-11-01T01:30"), zone)

    assert list(refused.value.fields) == ["timezone"]


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T10:00+01:00",
        "2026-11-23T10:00Z",
        "2026-11-23 10:00",
        "2026-11-23",
        "2026-11-23T24:00",
        "2026-11-23T10:00:30",
        "2026-02-30T10:00",
        "0001-01-01T00:00",
        "9999-12-31T23:59",
        "tomorrow",
        "",
        None,
        1764000000,
        True,
        ["2026-11-23T10:00"],
    ],
)
def test_everything_else_is_refused(value):
    with pytest.raises(serializers.ValidationError):
        WallStartField().run_validation(value)
