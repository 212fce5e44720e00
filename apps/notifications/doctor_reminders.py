"""Invariants of reminders."""

from apps.core.doctor import invariant

invariant(
    "I80",
    "No reminder is still planned for a session that takes place no more, or that was moved an hour ago or earlier.",
    """
    SELECT r.id FROM notifications_reminder r JOIN bookings_booking b ON b.id = r.booking_id
    WHERE r.state = 'planned' AND b.updated_at < now() - interval '1 hour'
      AND (b.status NOT IN ('confirmed', 'checked_in') OR b.start_time IS DISTINCT FROM r.start_time)
    """,
)
invariant(
    "I80.once",
    "Nobody was reminded twice of one start by one rule on one channel.",
    """
    SELECT min(id) FROM notifications_reminder WHERE state = 'sent'
    GROUP BY account_id, booking_id, rule_id, channel, start_time HAVING count(*) > 1
    """,
)
invariant(
    "I80.sent",
    "A reminder was sent before the start it speaks of, and not before its time.",
    "SELECT id FROM notifications_reminder WHERE state = 'sent' AND (sent_at >= start_time OR sent_at < due_at)",
)
invariant(
    "I80.due",
    "No reminder waits for longer than an hour after its time.",
    """
    SELECT r.id FROM notifications_reminder r JOIN accounts_account a ON a.id = r.account_id
    WHERE r.state = 'planned' AND a.status = 'active' AND greatest(r.due_at, r.not_before) < now() - interval '1 hour'
    """,
)
invariant(
    "I18.reminders",
    "No reminder points into another account.",
    """
    SELECT r.id FROM notifications_reminder r JOIN bookings_booking b ON b.id = r.booking_id WHERE b.account_id <> r.account_id
    UNION ALL
    SELECT r.id FROM notifications_reminder r JOIN notifications_reminderrule u ON u.id = r.rule_id WHERE u.account_id <> r.account_id
    """,
)
