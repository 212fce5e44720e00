"""Invariants of sites and their owners (security.md §3)."""

from apps.core.doctor import invariant

invariant(
    "I22",
    "A customer with sites in use has exactly one primary one in each account, and it is one of those.",
    """
    SELECT min(o.id) FROM sites_siteownership o JOIN sites_site s ON s.id = o.site_id
    WHERE o.ended_at IS NULL GROUP BY o.account_id, o.customer_id
    HAVING count(*) FILTER (WHERE o.is_primary) <> CASE WHEN bool_or(s.status <> 'archived') THEN 1 ELSE 0 END
        OR bool_or(o.is_primary AND s.status = 'archived')
    """,
)
invariant(
    "I23",
    "Nobody owns a site twice at once, and no ended ownership is a primary one.",
    """
    SELECT min(id) FROM sites_siteownership WHERE ended_at IS NULL GROUP BY site_id, customer_id HAVING count(*) > 1
    UNION ALL SELECT id FROM sites_siteownership WHERE is_primary AND ended_at IS NOT NULL
    """,
)
invariant(
    "I23.clients",
    "A current owner is the client that the customer is in the account.",
    """
    SELECT o.id FROM sites_siteownership o JOIN clients_client c ON c.id = o.client_id
    WHERE o.ended_at IS NULL AND (c.customer_id IS DISTINCT FROM o.customer_id OR c.merged_into_id IS NOT NULL)
    """,
)
invariant(
    "I18.sites",
    "No ownership or transfer points into another account, or to another site than its ownership.",
    """
    SELECT o.id FROM sites_siteownership o JOIN sites_site s ON s.id = o.site_id JOIN clients_client c ON c.id = o.client_id
    WHERE s.account_id <> o.account_id OR c.account_id <> o.account_id
    UNION ALL
    SELECT t.id FROM sites_sitetransfer t JOIN sites_siteownership o ON o.id = t.ownership_id
    WHERE o.account_id <> t.account_id OR o.site_id <> t.site_id
    """,
)
