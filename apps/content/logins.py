"""What a login said and liked, wherever: whoever does so below a post need not be a client of that business."""

from django.db.models import Q, QuerySet

from apps.content.models import BlogComment, BlogLike
from apps.content.subjects import drop
from apps.core.logins import Counts, erases_login
from apps.users.models import User


def comments_of_login(user_id: int) -> QuerySet:
    """Its comments in all accounts, those too that were written as a guest with the login's address."""
    email = User.objects.filter(pk=user_id).values("email")
    return BlogComment.objects.filter(Q(customer__user_id=user_id) | Q(author_email__in=email))


@erases_login
def forget_comments(user_id: int) -> Counts:
    """Comments and likes of all accounts."""
    return {
        BlogComment._meta.db_table: drop(comments_of_login(user_id)),
        BlogLike._meta.db_table: BlogLike.objects.filter(user_id=user_id).delete()[0],
    }
