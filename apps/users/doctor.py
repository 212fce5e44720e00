"""Invariants of logins and people (security.md §3)."""

from apps.core.doctor import invariant

invariant(
    "I25",
    "Customer and User are one to one.",
    """
    SELECT c.id FROM users_customer c LEFT JOIN users_user u ON u.id = c.user_id WHERE u.id IS NULL
    UNION ALL SELECT min(id) FROM users_customer GROUP BY user_id HAVING count(*) > 1
    """,
)
invariant(
    "I26",
    "No two users have the same address after Unicode and case folding.",
    "SELECT min(id) FROM users_user GROUP BY lower(normalize(email, NFKC)) HAVING count(*) > 1",
)
