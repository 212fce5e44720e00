"""Claims: a login that was made for somebody (they bought as a guest, a business sold to them) is taken over by its owner.

The mail goes to the login's address, so whoever opens its link has proved that address and may set the password. Nothing is stored:
the key is signed, and names the password that the login had when it was written. Setting one uses it up.
"""

import logging
from datetime import timedelta

from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import translation
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from apps.core import jobs
from apps.core.db import constraint_error, joined
from apps.core.errors import Invalid
from apps.users.errors import ClaimExpired
from apps.users.models import User
from apps.users.selectors import has_verified_email

logger = logging.getLogger(__name__)

SALT = "users.claim"
CLAIM_DAYS = 14


@joined
def invite_to_claim(user: User, *, account_name: str) -> None:
    """Mail the link with which ``user`` sets a password, once the caller's transaction is committed.

    ``account_name`` is the business that made the login; the mail says so. May be repeated: every link works until one was used.
    Whoever has lost the mail asks for a new password as everybody does, which proves the address as well.
    """
    has_primary = EmailAddress.objects.filter(user=user, primary=True).exists()
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": not has_primary})
    jobs.defer_many(mail_claim, [{"user_id": user.pk, "account_name": account_name}])


@jobs.task(name="users.mail_claim", queue="mail", retry=jobs.RETRY)
def mail_claim(user_id: int, account_name: str) -> None:
    """Send the link, made now: no key lies in the queue. Whoever has a password and a proved address by now gets no mail."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or (user.has_usable_password() and has_verified_email(user)):
        logger.info("user %s has nothing to claim (any more)", user_id)
        return
    words = {
        "account": " ".join(account_name.split()),
        "link": f"{settings.FRONTEND_URL}/claim/{claim_key(user)}",
        "days": CLAIM_DAYS,
    }
    with translation.override(user.language):
        paragraphs = [
            _("Hello,"),
            _("%(account)s has opened a login for you. Choose a password to see what you bought there:"),
            "%(link)s",
            _("The link works once and for %(days)s days. If you do not know %(account)s, ignore this message."),
        ]
        subject, body = _("Your login at %(account)s") % words, "\n\n".join(paragraphs) % words + "\n"
    # Outside any transaction; a failure fails the job, which is tried again.
    transaction.on_commit(EmailMessage(subject=subject, body=body, to=[user.email]).send)


def claim_key(user: User) -> str:
    """What the mail carries. It names the address and the password of now, and so ends when either changes."""
    return signing.dumps([user.pk, _state_of(user)], salt=SALT)


def _state_of(user: User) -> str:
    return salted_hmac(SALT, f"{user.email}\n{user.password}", algorithm="sha256").hexdigest()[:32]


@joined
def claim_login(*, key: str, password: str) -> User:
    """Set the password of the login that the key of a mail belongs to; its address is proved with that, and what waited for it goes on.

    Tokens and sessions that the login may have had end. Raises ClaimExpired, with one message for every reason: used, too old, forged,
    a login that may not sign in, an address that somebody else has proved; Invalid when the password is too weak.
    """
    try:
        user_id, state = signing.loads(key, salt=SALT, max_age=timedelta(days=CLAIM_DAYS))
    except signing.BadSignature as error:
        raise ClaimExpired from error
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id, is_active=True).first()
    if user is None or not constant_time_compare(state, _state_of(user)):
        raise ClaimExpired
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(fields={"password": error.messages}) from error
    user.set_password(password)
    user.save(update_fields=["password"])
    with constraint_error({"unique_verified_email": ClaimExpired}):
        address, _made = EmailAddress.objects.update_or_create(
            user=user, email=user.email, defaults={"verified": True}, create_defaults={"verified": True, "primary": True}
        )
    email_confirmed.send(sender=EmailAddress, request=None, email_address=address)
    return user
