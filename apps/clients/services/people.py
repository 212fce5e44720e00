"""The same for a login of its own accord, over all accounts it is a client of: one archive, one erasure."""

import uuid
from datetime import datetime

from django.utils import timezone

from apps.clients.errors import ErasureRefused
from apps.clients.models import Client, Erasure
from apps.clients.services.archives import archive, finish_archive
from apps.clients.services.subjects import add_client, erase_client, subject_of
from apps.core import jobs
from apps.core.db import joined
from apps.core.events import acting
from apps.core.logins import erase_login, obstacles_of_login
from apps.core.subjects import obstacles
from apps.core.tenancy import account_scope, platform_scope, user_scope
from apps.users.logins import profile_of
from apps.users.models import PersonExport, User

NO_ACCOUNT = 0
"""The folder of files that belong to people and to no account."""


@joined
def ask_for_own_archive(user: User) -> PersonExport:
    """Have an archive made of everything that all accounts keep about a person, but for what their staff wrote for each other."""
    export = PersonExport.objects.create(user=user)
    jobs.defer_many(make_own_archive, [{"export_id": export.pk}])
    return export


@jobs.task(name="clients.make_own_archive", queue="documents", retry=jobs.RETRY)
def make_own_archive(export_id: int, *, at: datetime | None = None) -> None:
    """Write the archive and store it. Run again, a finished one stays as it is."""
    at = at or timezone.now()
    with platform_scope("the archive of a person"), acting(None, "job:archives"):
        export = PersonExport.objects.select_for_update(no_key=True).filter(pk=export_id).first()
        if export is None or export.state != PersonExport.State.RUNNING:
            return
        with archive() as (file, add):
            for name, rows in profile_of(export.user_id):
                add.rows(name, rows)
            for client in clients_of(export.user_id):
                with account_scope(client.account_id):
                    add_client(add, client, at=at, in_house=False, folder=f"{client.account.slug}/")
        finish_archive(export, file, key=f"{NO_ACCOUNT}/{uuid.uuid4()}", at=at)


def clients_of(user_id: int) -> list[Client]:
    """Who a login is, in every account, closed ones included. Call in the platform scope or the user's own."""
    found = Client._base_manager.filter(customer__user_id=user_id, merged_into=None)
    return list(found.select_related("account", "customer__user").order_by("account_id"))


@joined
def erase_person(user: User, *, at: datetime | None = None) -> list[Erasure]:
    """Erase a person everywhere: in every account they are a client of, and their login. All of it or nothing.

    Raises ErasureRefused with all ``reasons`` of all accounts. Repeating it finds nothing to do. Locks the clients by account.
    """
    at = at or timezone.now()
    with user_scope(user.pk):
        clients = clients_of(user.pk)
    reasons = [{**one, "account": None} for one in _obstacles_of_login(user)]
    for client in clients:
        with account_scope(client.account_id):
            reasons += [{**one, "account": client.account.slug} for one in obstacles(subject_of(client, at))]
    if reasons:
        raise ErasureRefused(reasons=reasons)
    erasures = []
    for client in clients:
        with account_scope(client.account_id):
            erasures.append(erase_client(client, reason="by the person", at=at))
    with platform_scope(f"erasure of login {user.pk}"):
        erase_login(user.pk)
    return erasures


def _obstacles_of_login(user: User) -> list[dict[str, object]]:
    with user_scope(user.pk):
        return obstacles_of_login(user.pk)


__all__ = ["ask_for_own_archive", "clients_of", "erase_person", "make_own_archive"]
