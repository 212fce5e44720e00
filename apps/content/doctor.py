"""Invariants of content (security.md §3)."""

from typing import Any

from apps.content.sanitising import is_clean
from apps.core.db import rows
from apps.core.doctor import invariant

ACTIVE = (
    r"<\s*/?\s*(script|iframe|object|embed|svg|math|style|form|base|meta|link)"
    r"|<[^>]*[\s/]on[a-z]+\s*="
    r"|(href|src|action|srcdoc)\s*=\s*[\"'']?\s*(javascript|vbscript|data)\s*:"
)
SUSPECTS = " UNION ALL ".join(
    f"SELECT '{table}', id, body_html FROM content_{table} WHERE body_html ~* '{ACTIVE}'"  # noqa: S608  our own names
    for table in ("blogpost", "blogcomment", "faq")
)


def active_content() -> list[tuple[Any, ...]]:
    """What looks like active content and is: a post may well show such code between its lines, where it does nothing."""
    return [(table, pk) for table, pk, html in rows(SUSPECTS) if not is_clean(html)]


invariant("I33", "No stored HTML of posts, comments and answers holds active content.", active_content)
invariant(
    "I18.content",
    "No comment or like points to a post of another account, no testimonial to a review of one.",
    """
    SELECT c.id FROM content_blogcomment c JOIN content_blogpost p ON p.id = c.post_id WHERE p.account_id <> c.account_id
    UNION ALL SELECT l.id FROM content_bloglike l JOIN content_blogpost p ON p.id = l.post_id WHERE p.account_id <> l.account_id
    UNION ALL SELECT t.id FROM content_testimonial t JOIN bookings_review r ON r.id = t.review_id WHERE r.account_id <> t.account_id
    """,
)
invariant(
    "I93",
    "No scheduled post waits for more than an hour after its time.",
    "SELECT id FROM content_blogpost WHERE status = 'scheduled' AND published_at < now() - interval '1 hour'",
)
