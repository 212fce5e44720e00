"""What sites know of a person: whose they are, and were."""

from collections.abc import Iterable

from apps.core.subjects import Done, Subject, erased_by, history_of, kept, obstructs, told
from apps.sites.models import SiteOwnership, SiteTransfer


def owned(subject: Subject) -> Iterable[int]:
    """Sites that are theirs: somebody has to take them over, or the business takes them back."""
    return SiteOwnership.objects.current().filter(client__in=subject.ids).values_list("pk", flat=True)


def forget_logins(subject: Subject, done: Done) -> None:
    """Ownerships of the past stay, as what the record without a name once had; they no longer lead to the login."""
    past = SiteOwnership.objects.filter(client__in=subject.ids, customer__isnull=False)
    done.add(done.blanked, SiteOwnership._meta.db_table, past.update(customer=None))
    history_of(SiteOwnership)._base_manager.filter(client_id__in=subject.ids, account_id=subject.account_id).update(customer=None)


obstructs("owned_site", owned)
erased_by(forget_logins, (SiteOwnership, "client"))
kept(SiteTransfer, "client", "from_client", because="who offered which site to whom; it names nobody")

told("sites", SiteOwnership, "client", leave=("current_customer",))
told("site_transfers", SiteTransfer, "client")
