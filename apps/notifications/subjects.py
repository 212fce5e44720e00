"""What a person was told, and what others were told of them."""

from django.db.models import F, Q, Value
from django.db.models.fields import CharField
from django.db.models.functions import Cast, Concat

from apps.content.models import BlogComment
from apps.core.models import Event
from apps.core.subjects import ERASED, Done, Subject, erased_by, told
from apps.notifications.models import Delivery, Notification


def about(subject: Subject) -> Q:
    """What is said about them. Comments that they wrote as guests name no client; they are gone by now, because content erases before us,
    and what was said about a comment that is gone leads nowhere.
    """
    comments = Event.objects.filter(subject_type=BlogComment._meta.label_lower, type="comment.created", client_id=None)
    gone = comments.exclude(subject_id__in=BlogComment.objects.values("pk")).values_list("pk", flat=True)
    return Q(event_id__in=Event.objects.filter(client_id__in=subject.ids).values("pk")) | Q(event_id__in=list(gone))


def empty_messages(subject: Subject, done: Done) -> None:
    """Mails and short messages lose their words and their address; what waits is not sent. When something was sent, stays."""
    theirs = Delivery.objects.filter(Q(client__in=subject.ids) | about(subject))
    if subject.user_id is not None:
        theirs |= Delivery.objects.filter(user_id=subject.user_id)
    waiting = (Delivery.State.PENDING, Delivery.State.SENDING)
    theirs.filter(state__in=waiting).update(state=Delivery.State.SKIPPED, next_attempt_at=None, error=ERASED)
    emptied = theirs.exclude(address__startswith=f"{ERASED}-").update(
        address=Concat(Value(f"{ERASED}-"), Cast(F("pk"), CharField())),
        subject="",
        text="",
        html="",
        attachments=[],
        emptied_at=subject.at,
    )
    done.add(done.blanked, Delivery._meta.db_table, emptied)


def drop_notifications(subject: Subject, done: Done) -> None:
    """Theirs, and those of staff that name them."""
    named = about(subject)
    if subject.user_id is not None:
        named |= Q(user_id=subject.user_id)
    done.add(done.dropped, Notification._meta.db_table, Notification.objects.filter(named).delete()[0])


erased_by(empty_messages, (Delivery, "client"))
erased_by(drop_notifications)

told("messages", Delivery, "client", leave=("html", "message_token", "error"))
