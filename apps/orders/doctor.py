"""Invariants of orders (security.md §3)."""

from apps.core.doctor import invariant

invariant(
    "I06.lines",
    "The lines of an order add up to its total.",
    """
    SELECT o.id FROM orders_order o LEFT JOIN orders_orderline l ON l.order_id = o.id
    GROUP BY o.id HAVING coalesce(sum(l.amount_cents), 0) <> o.total_amount_cents
    """,
)
invariant(
    "I06.tax",
    "The taxes of an order's lines add up to its tax, and none exceeds its line.",
    """
    SELECT o.id FROM orders_order o LEFT JOIN orders_orderline l ON l.order_id = o.id
    GROUP BY o.id HAVING coalesce(sum(l.tax_cents), 0) <> o.tax_cents
    UNION SELECT order_id FROM orders_orderline WHERE abs(tax_cents) > abs(amount_cents) OR tax_cents::numeric * amount_cents < 0
    """,
)
invariant(
    "I18.orders",
    "No order points into another account.",
    """
    SELECT o.id FROM orders_order o JOIN clients_client c ON c.id IN (o.client_id, o.payer_id) WHERE c.account_id <> o.account_id
    UNION ALL SELECT o.id FROM orders_order o JOIN packages_package p ON p.id = o.package_id WHERE p.account_id <> o.account_id
    UNION ALL SELECT o.id FROM orders_order o JOIN catalog_service s ON s.id = o.service_id WHERE s.account_id <> o.account_id
    UNION ALL SELECT o.id FROM orders_order o JOIN sites_site s ON s.id = o.site_id WHERE s.account_id <> o.account_id
    """,
)
invariant(
    "I22.sales",
    "A site that was paid an hour ago belongs to its client, if they have a login and it is nobody else's.",
    """
    SELECT o.id FROM orders_order o
    JOIN sites_site s ON s.id = o.site_id AND s.status <> 'archived'
    JOIN clients_client c ON c.id = o.client_id AND c.customer_id IS NOT NULL
    WHERE o.order_type = 'site' AND o.status = 'active' AND o.payment_status IN ('paid', 'overpaid') AND o.frozen_at IS NULL
      AND o.updated_at < now() - interval '1 hour'
      AND NOT EXISTS (SELECT 1 FROM sites_siteownership w WHERE w.site_id = o.site_id AND w.ended_at IS NULL AND w.role = 'owner'
                      AND w.client_id <> o.client_id)
    """,
)
