"""Invariants of what people are told."""

from apps.core.doctor import invariant

invariant(
    "I81.due",
    "No delivery has been due for more than an hour.",
    """
    SELECT id FROM notifications_delivery
    WHERE (state = 'pending' AND next_attempt_at < now() - interval '1 hour')
       OR (state = 'sending' AND claimed_at < now() - interval '1 hour')
    """,
)
invariant(
    "I81.readers",
    "Whoever has a notification of an account works there or is its client.",
    """
    SELECT n.id FROM notifications_notification n
    WHERE NOT EXISTS (SELECT FROM accounts_membership m WHERE m.account_id = n.account_id AND m.user_id = n.user_id)
      AND NOT EXISTS (
          SELECT FROM clients_client c JOIN users_customer u ON u.id = c.customer_id
          WHERE c.account_id = n.account_id AND u.user_id = n.user_id)
    """,
)
invariant(
    "I81.once",
    "Nobody was told the same thing twice by the same channel.",
    """
    SELECT min(id) FROM notifications_delivery GROUP BY account_id, key, channel, address HAVING count(*) > 1
    UNION ALL SELECT min(id) FROM notifications_notification GROUP BY account_id, user_id, key HAVING count(*) > 1
    """,
)
invariant(
    "I18.deliveries",
    "No delivery points into another account.",
    """
    SELECT d.id FROM notifications_delivery d JOIN clients_client c ON c.id = d.client_id WHERE c.account_id <> d.account_id
    """,
)
