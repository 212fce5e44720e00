"""Invariants of the people in an account's CRM."""

from apps.core.doctor import invariant

invariant(
    "I49",
    "What search compares of a client is made of their name, e-mail and phone as they are now.",
    """
    SELECT id FROM clients_client
    WHERE search_text <> clients_searchable(full_name, email, phone_number)
      OR email_key <> lower(normalize(email, NFKC))
    """,
)
invariant(
    "I51",
    "A client's consents are the latest statement of each purpose in their log, and every statement is there.",
    """
    SELECT c.id FROM clients_client c
    LEFT JOIN LATERAL (
      SELECT coalesce(jsonb_object_agg(l.purpose, to_jsonb(l.granted)), '{}') AS said FROM (
        SELECT DISTINCT ON (purpose) purpose, granted FROM clients_clientconsent WHERE client_id = c.id
        ORDER BY purpose, given_at DESC, id DESC) l
    ) log ON true
    WHERE c.merged_into_id IS NULL
      AND log.said <> (SELECT coalesce(jsonb_object_agg(key, value -> 'granted'), '{}') FROM jsonb_each(c.consents))
    """,
)
invariant(
    "I52",
    "Who blocked a client, and why, is kept only while the client is blocked.",
    "SELECT id FROM clients_client WHERE blocked_at IS NULL AND (blocked_by_id IS NOT NULL OR blocked_reason <> '')",
)
invariant(
    "I53",
    "A lead became a customer's client by an address that the customer has proved.",
    """
    SELECT e.subject_id FROM core_event e
    JOIN users_customer p ON p.id = (e.changes -> 'customer' ->> 1)::bigint JOIN users_user u ON u.id = p.user_id AND u.is_active
    WHERE e.type = 'client.linked' AND NOT EXISTS (SELECT FROM account_emailaddress a WHERE a.user_id = p.user_id AND a.verified)
    """,
)
invariant(
    "I54",
    "Options belong to fields that are chosen from, and each is there once.",
    """
    SELECT id FROM clients_customfield
    WHERE (kind IN ('choice', 'choices')) <> (cardinality(options) > 0)
      OR cardinality(options) <> (SELECT count(DISTINCT o) FROM unnest(options) AS o)
    """,
)
