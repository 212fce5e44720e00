"""Invariants of merges, imports and exports."""

from apps.core.doctor import invariant

invariant(
    "I55",
    "An import has one row for each line that it has dealt with, and counts them as they are.",
    """
    SELECT i.id FROM clients_clientimport i LEFT JOIN clients_clientimportrow r ON r.source_id = i.id
    GROUP BY i.id
    HAVING count(r.id) <> i.done OR count(r.id) FILTER (WHERE r.state = 'bad') <> i.bad
        OR count(r.id) FILTER (WHERE r.state = 'skipped') <> i.skipped
        OR count(r.id) FILTER (WHERE r.state IN ('removed', 'restored', 'left')) <> i.removed + i.restored + i."left"
    """,
)
invariant(
    "I56",
    "Whoever was merged leads to a current client in one step, who knows of it; and has no login.",
    """
    SELECT l.id FROM clients_client l JOIN clients_client w ON w.id = l.merged_into_id
    WHERE w.merged_into_id IS NOT NULL OR NOT l.id = ANY (w.merged_ids) OR l.customer_id IS NOT NULL
    UNION ALL
    SELECT w.id FROM clients_client w CROSS JOIN unnest(w.merged_ids) AS m(id)
    LEFT JOIN clients_client l ON l.id = m.id AND l.account_id = w.account_id
    WHERE w.merged_into_id IS NULL AND l.merged_into_id IS DISTINCT FROM w.id
    """,
)
invariant(
    "I57",
    "A merge that was not undone is why its loser leads elsewhere.",
    """
    SELECT m.id FROM clients_clientmerge m JOIN clients_client l ON l.id = m.loser_id WHERE m.undone_at IS NULL AND l.merged_into_id IS NULL
    UNION ALL
    SELECT l.id FROM clients_client l WHERE l.merged_into_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM clients_clientmerge m WHERE m.loser_id = l.id AND m.undone_at IS NULL)
    """,
)
invariant(
    "I58",
    "No import stands still for an hour, and no file of an export outlives its day by more than two hours.",
    """
    SELECT id FROM clients_clientimport WHERE state IN ('running', 'undoing') AND updated_at < now() - interval '1 hour'
    UNION ALL
    SELECT id FROM clients_clientexport WHERE storage_key <> '' AND expires_at < now() - interval '2 hours'
    """,
)
