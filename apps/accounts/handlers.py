"""What follows when something happened in an account."""

from functools import partial
from urllib.parse import quote

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from apps.accounts.models import Invitation
from apps.accounts.services.invitations import token_of
from apps.core.events import on
from apps.core.models import Event


@on("invitation.created")
def mail_invitation(event: Event) -> None:
    """Send the link. Nothing is sent any more once the invitation was used, revoked or has expired."""
    found = Invitation.objects.filter(pk=event.subject_id, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
    invitation = found.select_related("account").first()
    if invitation is None:
        return
    context = {
        "account": " ".join(invitation.account.name.split()),
        "role": invitation.get_role_display().lower(),
        "link": f"{settings.FRONTEND_URL}/invitations/{quote(token_of(invitation))}",
        "hours": settings.INVITATION_HOURS,
    }
    message = EmailMessage(
        subject=render_to_string("accounts/email/invitation_subject.txt", context).strip(),
        body=render_to_string("accounts/email/invitation_message.txt", context),
        to=[invitation.email],
    )
    # Outside the transaction; a failure fails the job, which is tried again.
    transaction.on_commit(partial(message.send))
