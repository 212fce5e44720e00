"""Sites of a client who is merged into another: who owns them goes by the login that stays."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from apps.clients.models import Client
from apps.core.merging import Merging, follows, moved_by, relation_name
from apps.sites.models import SiteOwnership, SiteTransfer
from apps.sites.services.owners import settle_primary


class Ownerships:
    """Ownerships of both, because the login may be either's. Of a site that both own the loser's ownership ends; one primary is left."""

    name = relation_name(SiteOwnership, "client")

    def count(self, merging: Merging) -> int:
        return SiteOwnership.objects.filter(client=merging.loser.pk).count()

    def move(self, merging: Merging) -> dict[str, list[Any]]:
        winner, at = merging.winner, merging.at
        rows = list(_locked(SiteOwnership.objects.filter(client__in=[winner.pk, merging.loser.pk])))
        if all(row.client_id == winner.pk and row.customer_id in (winner.customer_id, None) for row in rows):
            # Nothing moves. But what the winner comes by under a login that an undo takes away is for that undo to look at.
            return {"rows": []} if merging.facts["logins"]["winner"] != winner.customer_id else {}
        before = [_as_it_is(row) for row in rows]
        owned = {row.site_id: row for row in rows if row.client_id == winner.pk and row.ended_at is None}
        SiteOwnership.objects.filter(pk__in=[row.pk for row in rows], is_primary=True).update(is_primary=False)
        primary = next((row.pk for row in rows if row.is_primary and row.client_id == winner.pk), None)
        for row in rows:
            twin = owned.get(row.site_id) if row.client_id != winner.pk and row.ended_at is None else None
            if twin is not None:
                row.ended_at = max(at, row.acquired_at)
                if row.is_owner:
                    SiteOwnership.objects.filter(pk=twin.pk).update(role=row.role)
            SiteOwnership.objects.filter(pk=row.pk).update(
                client=winner, customer=winner.customer_id, ended_at=row.ended_at, is_primary=False, updated_at=at
            )
        live = SiteOwnership.objects.live().filter(client=winner).order_by("acquired_at", "pk")
        chosen = live.filter(pk=primary).first() or live.first()
        if chosen is not None:
            SiteOwnership.objects.filter(pk=chosen.pk).update(is_primary=True)
        return {"rows": before}

    def changed(self, merging: Merging, record: dict[str, list[Any]]) -> list[int]:
        ids = {row["id"] for row in record["rows"]}
        same = _locked(SiteOwnership.objects.filter(pk__in=ids, updated_at=merging.at))
        changed = ids - {row.pk for row in same}
        changed |= _spoken_of_since([row["id"] for row in record["rows"] if row["client"] == merging.loser.pk], merging.at)
        if merging.facts["logins"]["winner"] is None and merging.winner.customer_id is not None:  # nobody would own what they got since
            since = SiteOwnership.objects.current().filter(client=merging.winner.pk).exclude(pk__in=ids)
            changed |= set(since.values_list("pk", flat=True))
        return sorted(changed)

    def move_back(self, merging: Merging, record: dict[str, list[Any]]) -> None:
        winner, loser = merging.winner, merging.loser
        SiteOwnership.objects.filter(client=winner, is_primary=True).update(is_primary=False)
        before: dict[int, dict[str, Any]] = {}
        for row in record["rows"]:  # what the job moved later is there once more, as the merge had left it
            before.setdefault(row["id"], row)
        for row in before.values():
            ended_at = datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else None
            SiteOwnership.objects.filter(pk=row["id"]).update(
                client=row["client"],
                customer=row["customer"],
                role=row["role"],
                is_primary=row["is_primary"],
                ended_at=ended_at,
                updated_at=merging.facts["undone_at"],
            )
        # What the winner came by since the merge is theirs, under the login that they have again.
        SiteOwnership.objects.filter(client=winner).exclude(customer=winner.customer_id).update(customer=winner.customer_id)
        for client in sorted((winner, loser), key=lambda one: one.pk):
            settle_primary(Client.objects.get(pk=client.pk))


def _locked(rows: QuerySet) -> QuerySet:
    return rows.select_for_update(no_key=True).order_by("pk")


def _spoken_of_since(ids: list[int], at: datetime) -> set[int]:
    """Which of these ownerships something newer refers to, from whichever app: an offer of the site, a ticket about it."""
    found: set[int] = set()
    for relation in SiteOwnership._meta.related_objects:
        name = f"{relation.field.name}_id"
        newer = relation.related_model._base_manager.filter(**{f"{name}__in": ids}, created_at__gt=at).exclude(updated_at=at)
        found |= set(newer.values_list(name, flat=True))
    return found


def _as_it_is(row: SiteOwnership) -> dict[str, Any]:
    return {
        "id": row.pk,
        "client": row.client_id,
        "customer": row.customer_id,
        "role": row.role,
        "is_primary": row.is_primary,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }


moved_by(Ownerships())
# An offer between the two is left behind: it lapses.
follows(SiteTransfer, "client", unless=lambda merging: Q(from_client=merging.winner.pk))
follows(SiteTransfer, "from_client", unless=lambda merging: Q(client=merging.winner.pk))
