"""What time brings about by itself. Each job works account by account, in that account's scope, and may be run again at any moment."""

from django.utils import timezone

from apps.bookings.tasks import Apart, working_for
from apps.content.models import BlogPost
from apps.content.services.posts import publish_if_due
from apps.content.services.renewing import renew_everywhere
from apps.core import jobs
from apps.core.tenancy import platform_scope

BATCH = 200


@jobs.periodic(cron="* * * * *")
@jobs.task(name="content.publish_due_posts", queue="core", queueing_lock="content.publish_due_posts")
def publish_due_posts(timestamp: int) -> int:
    """Say that posts were published whose time has come; returns how many. Readers see them from that time on without it."""
    at, published, apart = timezone.now(), 0, Apart()
    with platform_scope("posts that are due"):
        due = BlogPost.objects.filter(status=BlogPost.Status.SCHEDULED, published_at__lte=at).order_by("published_at", "pk")
        found = list(due.values_list("account_id", "pk")[:BATCH])
    for account_id, post_id in found:
        with apart(f"post {post_id}"), working_for(account_id, "posts"):
            published += publish_if_due(post_id, at=at)
    apart.tell()
    return published


@jobs.periodic(cron="41 3 * * *")
@jobs.task(name="content.renew_old_html", queue="core", queueing_lock="content.renew_old_html")
def renew_old_html(timestamp: int) -> int:
    """Make anew what an older policy has made; returns how many rows. Every night; ``manage.py sanitise_content`` does it at once."""
    return renew_everywhere(everything=False)
