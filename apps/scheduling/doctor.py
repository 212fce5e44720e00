"""Invariants of calendars kept elsewhere."""

from apps.core.doctor import invariant

invariant(
    "I18.calendars",
    "No busy time of a calendar elsewhere points into another account, or to another practitioner than its calendar's.",
    """
    SELECT b.id FROM scheduling_externalbusy b JOIN scheduling_externalcalendar c ON c.id = b.calendar_id
    WHERE c.account_id <> b.account_id OR c.practitioner_id <> b.practitioner_id
    UNION ALL
    SELECT c.id FROM scheduling_externalcalendar c JOIN catalog_practitioner p ON p.id = c.practitioner_id WHERE p.account_id <> c.account_id
    """,
)
invariant(
    "I48",
    "A calendar has the busy times it says it has, apart from each other, and none when it is switched off.",
    """
    SELECT c.id FROM scheduling_externalcalendar c LEFT JOIN scheduling_externalbusy b ON b.calendar_id = c.id
    GROUP BY c.id HAVING count(b.id) <> c.busy_count OR (NOT c.is_active AND count(b.id) > 0)
    UNION ALL
    SELECT s.id FROM (
        SELECT id, starts_at, lag(ends_at) OVER (PARTITION BY calendar_id ORDER BY starts_at, id) AS before FROM scheduling_externalbusy
    ) s WHERE s.before > s.starts_at
    """,
)
