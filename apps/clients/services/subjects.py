"""Giving people what is kept about them, and erasing them (rules.md §13; security.md T28). What there is, each app knows: ``core.subjects``.

An archive is made by a job and fetched once. An erasure is one transaction: the person is gone everywhere or nowhere.
"""

import logging
from datetime import date, datetime

from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.clients.errors import ErasureRefused
from apps.clients.models import Client, Erasure, SubjectExport
from apps.clients.services.archives import Add, archive, finish_archive
from apps.core import jobs, storage
from apps.core.db import joined
from apps.core.errors import InvalidTransition
from apps.core.events import acting, current_actor, emit
from apps.core.subjects import Subject, erase, files_of, lists_of, obstacles
from apps.core.tenancy import account_scope, platform_scope

logger = logging.getLogger(__name__)


def subject_of(client: Client, at: datetime) -> Subject:
    """The person behind a record: every record of theirs, and every word by which texts may name them."""
    records = list(Client.objects.filter(pk__in=client.all_ids).select_related("customer__user"))
    person = client.customer
    words = {text for one in records for text in (one.full_name, one.email, str(one.phone_number or ""), one.tax_id)}
    if person is not None:
        words |= {person.full_name, person.user.email, str(person.phone_number or "")}
    return Subject(
        account_id=client.account_id,
        ids=tuple(sorted(client.all_ids)),
        user_id=person.user_id if person is not None else None,
        words=tuple(sorted(word for word in words if word)),
        at=at,
    )


# -- archives


@joined
def ask_for_archive(client: Client) -> SubjectExport:
    """Have an archive made of everything that is kept about a client, notes of staff included. Emits ``client.archive_requested``."""
    export = SubjectExport.objects.create(account_id=client.account_id, client=client, requested_by_id=current_actor().actor_id)
    emit("client.archive_requested", client, changes={"archive": [None, export.pk]})
    jobs.defer_many(make_archive, [{"account_id": client.account_id, "export_id": export.pk}])
    return export


@jobs.task(name="clients.make_archive", queue="documents", retry=jobs.RETRY)
def make_archive(account_id: int, export_id: int, *, at: datetime | None = None) -> None:
    """Write the archive of one client and store it. Run again, a finished one stays as it is."""
    at = at or timezone.now()
    with account_scope(account_id), acting(None, "job:archives"):
        export = SubjectExport.objects.select_for_update(no_key=True, of=("self",)).select_related("client").filter(pk=export_id).first()
        if export is None or export.state != SubjectExport.State.RUNNING:
            return
        with archive() as (file, add):
            add_client(add, export.client, at=at, in_house=True)
        finish_archive(export, file, key=storage.new_key(account_id), at=at)


def add_client(add: Add, client: Client, *, at: datetime, in_house: bool, folder: str = "") -> None:
    """Everything that the account in scope keeps about one client."""
    subject = subject_of(client, at)
    for name, rows in lists_of(subject, in_house=in_house):
        add.rows(folder + name, rows)
    for name, key in files_of(subject):
        add.stored(folder + name, key)


# -- erasure


@joined
def erase_client(client: Client, *, reason: str = "", wait: bool = False, at: datetime | None = None) -> Erasure:
    """Erase a person from this account: see ``core.subjects`` for what becomes of what. Repeating it answers with the same certificate.

    Raises ErasureRefused with the ``reasons`` while something forbids it (a session ahead, money that is not settled, a legal hold);
    with ``wait`` the erasure is written down instead, and done by a job once nothing does. Locks the client.
    """
    at = at or timezone.now()
    client = Client.objects.select_for_update(of=("self",)).select_related("customer__user", "account").get(pk=client.pk)
    if client.merged_into is not None:  # the person is there now
        return erase_client(client.merged_into, reason=reason, wait=wait, at=at)
    erasure = Erasure.objects.select_for_update(no_key=True).filter(client=client).exclude(state=Erasure.State.WITHDRAWN).first()
    if erasure is not None and erasure.state == Erasure.State.DONE:
        return erasure
    subject = subject_of(client, at)
    reasons = obstacles(subject)
    if reasons and not wait:
        raise ErasureRefused(reasons=reasons)
    who = current_actor()
    erasure = erasure or Erasure(account_id=client.account_id, client=client, requested_by_id=who.actor_id, source=who.source)
    erasure.reason = reason or erasure.reason
    if reasons:
        erasure.state, erasure.obstacles = Erasure.State.WAITING, reasons
        is_new = erasure.pk is None
        erasure.save()
        if is_new:
            emit("client.erasure_requested", client, changes={"waits_for": [None, [one["code"] for one in reasons]]})
        return erasure
    done = erase(subject)
    erasure.state, erasure.obstacles, erasure.erased_at = Erasure.State.DONE, [], at
    erasure.certificate, erasure.kept_until = done.as_json(), kept_until(client.account, at)
    erasure.save()
    others = Erasure.objects.filter(client__in=subject.ids, state=Erasure.State.WAITING)  # of records that were merged into this one
    others.update(state=Erasure.State.DONE, obstacles=[], erased_at=at, kept_until=erasure.kept_until, updated_at=at)
    emit("client.erased", client, changes={"erasure": [None, erasure.pk]})
    return erasure


@joined
def withdraw_erasure(erasure: Erasure) -> Erasure:
    """Take back an erasure that still waits. Raises InvalidTransition."""
    found = Erasure.objects.select_for_update(no_key=True).select_related("client").get(pk=erasure.pk)
    if found.state != Erasure.State.WAITING:
        raise InvalidTransition("This erasure does not wait any more.", allowed_actions=[])
    found.state, found.obstacles = Erasure.State.WITHDRAWN, []
    found.save(update_fields=["state", "obstacles", "updated_at"])
    emit("client.erasure_withdrawn", found.client)
    return found


def kept_until(account: Account, at: datetime) -> date:
    """The end of the year in which the law lets go of documents that were written by then."""
    return date(at.year + setting(account, "retention_years"), 12, 31)


def erase_waiting(at: datetime) -> int:
    """Try every erasure that waits, each in a transaction of its own; returns how many were done.

    One that breaks holds up no other; the run says so at its end by failing, too.
    """
    with platform_scope("erasures that wait"):
        found = Erasure._base_manager.filter(state=Erasure.State.WAITING, client__merged_into=None).order_by("pk")
        waiting = list(found.values_list("account_id", "client_id"))
    count, failed = 0, None
    for account_id, client_id in waiting:
        try:
            with account_scope(account_id), acting(None, "job:erasures"):
                client = Client.objects.filter(pk=client_id).first()
                if client is not None:
                    count += erase_client(client, wait=True, at=at).state == Erasure.State.DONE
        except Exception as error:
            logger.exception("the erasure of client %s failed; the run goes on with the others", client_id)
            failed = error
    if failed is not None:
        raise failed
    return count


@joined
def hold_client(client: Client, *, reason: str, until: date | None = None) -> Client:
    """Forbid that a client is erased, for a reason (a dispute before a court), until a day or until it is lifted."""
    client = Client.objects.select_for_update(no_key=True, of=("self",)).get(pk=client.pk)
    before = client.legal_hold_until
    client.legal_hold_reason, client.legal_hold_until = reason, until
    client.save(update_fields=["legal_hold_reason", "legal_hold_until", "updated_at"])
    emit("client.held", client, changes={"until": [before and before.isoformat(), until and until.isoformat()]})
    return client


@joined
def lift_hold(client: Client) -> Client:
    """Allow it again."""
    client = Client.objects.select_for_update(no_key=True, of=("self",)).get(pk=client.pk)
    if client.legal_hold_reason:
        client.legal_hold_reason, client.legal_hold_until = "", None
        client.save(update_fields=["legal_hold_reason", "legal_hold_until", "updated_at"])
        emit("client.hold_lifted", client)
    return client


__all__ = ["add_client", "ask_for_archive", "erase_client", "erase_waiting", "hold_client", "lift_hold"]
