"""What comments, likes and testimonials know of a person."""

from django.db.models import Q, QuerySet

from apps.content.models import BlogComment, BlogLike, Testimonial
from apps.core.subjects import Done, Subject, dropped, erased_by, told, told_by


def comments_of(subject: Subject) -> QuerySet:
    """What they wrote in this account: signed in, or as a guest with an address of theirs."""
    addresses = [word.lower() for word in subject.words if "@" in word]
    theirs = Q(author_email__in=addresses)
    if subject.user_id is not None:
        theirs |= Q(customer__user_id=subject.user_id)
    return BlogComment.objects.filter(theirs)


def drop_comments(subject: Subject, done: Done) -> None:
    """Comments go with what their history says; likes go, too."""
    done.add(done.dropped, BlogComment._meta.db_table, drop(comments_of(subject)))
    if subject.user_id is not None:
        done.add(done.dropped, BlogLike._meta.db_table, BlogLike.objects.filter(user_id=subject.user_id).delete()[0])


def drop(comments: QuerySet) -> int:
    """Delete comments of the scope with their history; returns how many."""
    ids = list(comments.values_list("pk", flat=True))
    if ids:
        BlogComment.objects.filter(pk__in=ids).delete()
        BlogComment.history.filter(id__in=ids).delete()
    return len(ids)


erased_by(drop_comments)
dropped(Testimonial, "review__client")  # their words

told("testimonials", Testimonial, "review__client")
told_by(
    "comments",
    lambda subject: (
        comments_of(subject).order_by("pk").values("id", "post_id", "author_name", "author_email", "body", "status", "created_at")
    ),
)
