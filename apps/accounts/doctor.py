"""Invariants of accounts, members, invitations and tokens (security.md §3)."""

from apps.core.doctor import invariant

invariant(
    "I21",
    "Every account has an active owner, and nobody is in an account twice.",
    """
    SELECT 'account', a.id FROM accounts_account a WHERE a.status = 'active' AND NOT EXISTS (
      SELECT 1 FROM accounts_membership m JOIN users_user u ON u.id = m.user_id
      WHERE m.account_id = a.id AND m.role = 'owner' AND m.is_active AND u.is_active)
    UNION ALL SELECT 'membership', min(id) FROM accounts_membership GROUP BY account_id, user_id HAVING count(*) > 1
    """,
)
# A user may change address after accepting: the history of the login knows the one of that day.
invariant(
    "I27",
    "No invitation was accepted late or by another address, and no open one offers more than its sender is.",
    """
    SELECT i.id FROM accounts_invitation i JOIN users_user u ON u.id = i.accepted_by_id
    WHERE i.accepted_at > i.expires_at OR (lower(u.email) <> lower(i.email) AND NOT EXISTS (
      SELECT 1 FROM users_historicaluser h WHERE h.id = u.id AND lower(h.email) = lower(i.email)))
    UNION ALL
    SELECT i.id FROM accounts_invitation i LEFT JOIN accounts_membership m ON m.user_id = i.invited_by_id AND m.account_id = i.account_id
    WHERE i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()
      AND (m.id IS NULL OR NOT m.is_active OR m.role NOT IN ('owner', 'manager') OR (i.role = 'owner' AND m.role <> 'owner'))
    """,
)
invariant(
    "I28",
    "Every token is a 256-bit hex digest with an expiry, and none lives for an inactive user.",
    """
    SELECT t.public_id FROM accounts_apitoken t JOIN users_user u ON u.id = t.user_id
    WHERE t.digest !~ '^[0-9a-f]{64}$' OR t.expiry IS NULL OR (NOT u.is_active AND t.expiry > now())
    """,
)
