"""Making HTML anew when the policy that made it has changed."""

import logging
from collections.abc import Callable

from django.utils import timezone

from apps.content.models import BlogComment, BlogPost, Faq, RenderedModel
from apps.content.sanitising import POLICY_VERSION, article_html, comment_html
from apps.core.db import joined
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope

logger = logging.getLogger(__name__)

RENDERED: dict[type[RenderedModel], Callable[[str], str]] = {BlogPost: article_html, BlogComment: comment_html, Faq: article_html}
BATCH = 200


@joined
def renew_html(model: type[RenderedModel], *, everything: bool = False, after: int = 0) -> tuple[int, int]:
    """Make the HTML of one batch of the open account anew, from the text beside it: of an older policy, or of ``everything``.

    Returns (how many rows were looked at, the last one's id); call again with ``after`` until nothing is left. ``updated_at`` moves
    where the HTML did, so that readers of ``?updated_since=`` see it.
    """
    rows = model.objects.select_for_update(no_key=True).filter(pk__gt=after).order_by("pk")
    batch = list((rows if everything else rows.filter(policy_version__lt=POLICY_VERSION))[:BATCH])
    for row in batch:
        html = RENDERED[model](row.body)
        stamp = {"updated_at": timezone.now()} if html != row.body_html else {}
        model.objects.filter(pk=row.pk).update(body_html=html, policy_version=POLICY_VERSION, **stamp)
    return len(batch), batch[-1].pk if batch else after


def renew_everywhere(*, everything: bool) -> int:
    """``renew_html`` in every account that has something to renew, batch by batch in transactions of their own."""
    renewed = 0
    for model in RENDERED:
        with platform_scope("HTML of an older policy"):
            rows = model.objects.all() if everything else model.objects.filter(policy_version__lt=POLICY_VERSION)
            accounts = sorted(set(rows.order_by().values_list("account_id", flat=True).distinct()))
        for account_id in accounts:
            looked_at, last = 1, 0
            while looked_at:
                with account_scope(account_id), acting(None, "job:html"):
                    looked_at, last = renew_html(model, everything=everything, after=last)
                renewed += looked_at
    if renewed:
        logger.info("the HTML of %s texts was made anew by policy %s", renewed, POLICY_VERSION)
    return renewed


__all__ = ["renew_everywhere", "renew_html"]
