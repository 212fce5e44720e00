"""Invariants of webhooks."""

from apps.core.doctor import invariant

invariant(
    "I18.webhooks",
    "No webhook delivery points into another account.",
    """
    SELECT d.id FROM integrations_webhookdelivery d JOIN integrations_webhookendpoint e ON e.id = d.endpoint_id
    WHERE e.account_id <> d.account_id
    """,
)
invariant(
    "I90",
    "Each event was written once for each number of each webhook endpoint, and it is one of the same account.",
    """
    SELECT min(id) FROM integrations_webhookdelivery GROUP BY endpoint_id, event_id, number HAVING count(*) > 1
    UNION ALL
    SELECT d.id FROM integrations_webhookdelivery d LEFT JOIN core_event e ON e.account_id = d.account_id AND e.id = d.event_id
    WHERE e.id IS NULL
    """,
)
invariant(
    "I91",
    "A webhook delivery waits for a time exactly while it is pending or being sent, and not longer than 72 hours after the time was due.",
    """
    SELECT d.id FROM integrations_webhookdelivery d
    WHERE (d.state IN ('pending', 'sending')) <> (d.next_attempt_at IS NOT NULL) OR d.next_attempt_at < now() - interval '72 hours'
    """,
)
invariant(
    "I92",
    "Nothing has waited for a paused or disabled webhook endpoint for longer than an hour.",
    """
    SELECT d.id FROM integrations_webhookdelivery d JOIN integrations_webhookendpoint e ON e.id = d.endpoint_id
    WHERE e.state <> 'active' AND d.next_attempt_at < now() - interval '1 hour'
    """,
)
