"""Invariants of support (security.md §3)."""

from apps.core.doctor import invariant

invariant(
    "I24",
    "A ticket about a site was opened under an ownership of that site, by the client whose it was at that moment.",
    """
    SELECT t.id FROM tickets_ticket t
    JOIN sites_siteownership o ON o.id = t.ownership_id
    JOIN clients_client c ON c.id = t.client_id
    WHERE o.site_id <> t.site_id
       OR (o.client_id <> t.client_id AND o.client_id <> ALL (c.merged_ids))
       OR o.acquired_at > t.opened_at
       OR o.ended_at < t.opened_at - interval '1 minute'  -- what met at one moment waited for the other, with its own clock read before
    """,
)
invariant(
    "I24.answers",
    "A ticket has its first answer when staff have written to the client, and not before.",
    """
    SELECT t.id FROM tickets_ticket t
    LEFT JOIN (
        SELECT ticket_id, min(sent_at) AS first FROM tickets_ticketmessage
        WHERE side = 'provider' AND NOT is_internal GROUP BY ticket_id
    ) m ON m.ticket_id = t.id
    WHERE t.first_answered_at IS DISTINCT FROM m.first
    """,
)
invariant(
    "I24.parts",
    "Messages, files and times of a ticket are its client's.",
    """
    SELECT t.id FROM tickets_ticket t JOIN (
        SELECT ticket_id, client_id FROM tickets_ticketmessage
        UNION SELECT ticket_id, client_id FROM tickets_ticketattachment
        UNION SELECT ticket_id, client_id FROM tickets_tickettime
    ) part ON part.ticket_id = t.id WHERE part.client_id <> t.client_id
    """,
)
invariant(
    "I24.time",
    "Time on a ticket used up a session that took place.",
    "SELECT x.id FROM tickets_tickettime x JOIN bookings_booking b ON b.id = x.booking_id WHERE b.status <> 'completed'",
)
invariant(
    "I18.tickets",
    "Everything about a ticket is in its account.",
    """
    SELECT t.id FROM tickets_ticket t JOIN clients_client c ON c.id = t.client_id WHERE c.account_id <> t.account_id
    UNION SELECT t.id FROM tickets_ticket t JOIN sites_site s ON s.id = t.site_id WHERE s.account_id <> t.account_id
    UNION SELECT m.id FROM tickets_ticketmessage m JOIN tickets_ticket t ON t.id = m.ticket_id WHERE t.account_id <> m.account_id
    UNION SELECT a.id FROM tickets_ticketattachment a JOIN tickets_ticket t ON t.id = a.ticket_id WHERE t.account_id <> a.account_id
    UNION SELECT x.id FROM tickets_tickettime x JOIN tickets_ticket t ON t.id = x.ticket_id WHERE t.account_id <> x.account_id
    """,
)
