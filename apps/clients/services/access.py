"""Access without a login: a link by e-mail, opened once, becomes a token for an hour (docs: GuestAccess).

Whoever asks for a link learns nothing, not even by the time it takes: looking for the client is the mail job's work.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.clients.errors import LinkExpired
from apps.clients.guests import LINK, TOKEN, account_of, address_digests, digest, new_secret, opens
from apps.clients.models import Client, GuestAccess
from apps.core import jobs
from apps.core.db import joined
from apps.core.events import emit
from apps.core.tenancy import account_scope
from apps.core.vault import lock_away, take_out
from apps.users.models.user import normalize_email

logger = logging.getLogger(__name__)

LINK_LIFETIME = timedelta(minutes=30)
ACCESS_LIFETIME = timedelta(hours=1)
KEPT_FOR = timedelta(days=30)


@joined
def ask_for_link(*, account: Account, email: str) -> None:
    """Mail a link to the client with this address, if this account has one; nobody is told whether it has.

    The address waits for the job under lock and key: the queue keeps what it has done for a while.
    """
    jobs.defer_many(mail_link, [{"account_id": account.pk, "sealed": lock_away({"email": normalize_email(email)})}])


@jobs.task(name="clients.mail_link", queue="mail", retry=jobs.RETRY)
def mail_link(account_id: int, sealed: str) -> None:
    """Make the link and send it; a second attempt sends another one."""
    with account_scope(account_id):
        client = _reachable_at(take_out(sealed)["email"])
        if client is None:
            logger.info("account %s: nobody to send an access link to", account_id)
            return
        link = make_link(client, at=timezone.now())
        message = _letter(client, link)
        # After the row is committed, outside its transaction; a failure fails the job, which is tried again.
        transaction.on_commit(message.send)


def _reachable_at(email: str) -> Client | None:
    """The client with this address, unless the business has blocked them."""
    found = Client.objects.current().filter(email_key=email, blocked_at=None, account__status=Account.Status.ACTIVE)
    client: Client | None = found.select_related("account", "customer__user").order_by("pk").first()
    return client


def make_link(client: Client, *, at: datetime) -> str:
    """A new link of this client, as it is mailed; what has been over for a month is forgotten with that."""
    GuestAccess.objects.filter(client=client, expires_at__lte=at - KEPT_FOR).delete()
    link = new_secret(client.account_id, LINK)
    GuestAccess.objects.create(
        account_id=client.account_id,
        client=client,
        address_digest=address_digests(client.account_id, client.email)[0],
        link_digest=digest(link),
        expires_at=at + LINK_LIFETIME,
    )
    return link


def _letter(client: Client, link: str) -> EmailMessage:
    account, person = client.account, client.customer
    words = {
        "account": " ".join(account.name.split()),
        "link": f"{settings.FRONTEND_URL}/{account.slug}/access/{link}",
        "minutes": int(LINK_LIFETIME.total_seconds() // 60),
    }
    with translation.override(person.user.language if person is not None else setting(account, "language")):
        paragraphs = [
            _("Hello,"),
            _("This link shows your sessions, orders and payments at %(account)s:"),
            "%(link)s",
            _("It works once and for %(minutes)s minutes. Do not pass it on. If you did not ask for it, ignore this message."),
        ]
        return EmailMessage(subject=_("Your link to %(account)s") % words, body="\n\n".join(paragraphs) % words + "\n", to=[client.email])


@joined
def open_link(*, account: Account, link: str, at: datetime | None = None) -> tuple[str, GuestAccess]:
    """(the guest token, its row) for a link that was not opened before. The token is shown once and ends after ACCESS_LIFETIME.

    It proves nothing about a login: no address of a User is verified by it. Raises LinkExpired, with one message for every reason.
    """
    at = at or timezone.now()
    if account_of(link, LINK) != account.pk:
        raise LinkExpired
    found = GuestAccess.objects.select_for_update(no_key=True, of=("self",)).filter(
        link_digest=digest(link), opened_at=None, expires_at__gt=at
    )
    access = found.select_related("client__account").first()
    if access is None or not opens(access):
        raise LinkExpired
    token = new_secret(account.pk, TOKEN)
    access.token_digest, access.opened_at, access.expires_at = digest(token), at, at + ACCESS_LIFETIME
    access.save(update_fields=["token_digest", "opened_at", "expires_at", "updated_at"])
    emit("client.access_opened", access.client)
    return token, access


@joined
def close_access(access: GuestAccess, *, at: datetime | None = None) -> None:
    """The guest signs out: the token opens nothing any more."""
    at = at or timezone.now()
    GuestAccess.objects.filter(pk=access.pk, closed_at=None).update(closed_at=at, updated_at=at)
