"""When a lead becomes a customer's client: when that customer has proved the lead's e-mail address, and never before.

A phone number links nobody: nothing here proves one. Rows that are blocked, merged or somebody's already are left alone, and so is an
account in which the customer is a client already: two cards of one person are for staff to merge.
"""

from allauth.account.models import EmailAddress
from django.db.models import Exists, OuterRef

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.core.db import constraint_error, joined
from apps.core.events import emit
from apps.core.tenancy import account_scope, platform_scope
from apps.users.models import Customer, User
from apps.users.models.user import normalize_email


class _Raced(Exception):
    """The customer has become a client of this account at this moment."""


@joined
def link_clients(user: User) -> list[Client]:
    """Make every lead with an address that ``user`` has proved theirs, in all open accounts; emits ``client.linked`` for each.

    Nothing happens without a customer profile, or to somebody who may not sign in.
    """
    customer = Customer.objects.filter(user=user, user__is_active=True).first()
    addresses = {normalize_email(email) for email in EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)}
    if customer is None or not addresses:
        return []
    with platform_scope("leads with a proved address"):
        mine = Client._base_manager.filter(account_id=OuterRef("account_id"), customer=customer)
        found = Client._base_manager.filter(
            ~Exists(mine),
            email_key__in=addresses,
            customer=None,
            merged_into=None,
            blocked_at=None,
            account__status=Account.Status.ACTIVE,
        )
        leads = list(found.order_by("pk").values_list("account_id", "pk"))
    linked = []
    for account_id, pk in leads:
        with account_scope(account_id):
            client = _link(pk, customer, addresses)
        if client is not None:
            linked.append(client)
    return linked


@joined
def link_client(client: Client) -> Client | None:
    """Give this client to the customer who has proved its address, if there is one; None when nothing was to be done."""
    key = normalize_email(client.email)
    if client.customer_id is not None or not key:
        return None
    proved = EmailAddress.objects.filter(email=key, verified=True, user__is_active=True)
    customer = Customer.objects.filter(user_id__in=proved.values("user_id")).order_by("pk").first()
    return _link(client.pk, customer, {key}) if customer is not None else None


def _link(pk: int, customer: Customer, addresses: set[str]) -> Client | None:
    """Decided again on the locked row: it may have been linked, merged, blocked or readdressed since it was found."""
    client = Client.objects.select_for_update(no_key=True).filter(pk=pk, customer=None, merged_into=None, blocked_at=None).first()
    if client is None or client.email_key not in addresses or Client.objects.filter(customer=customer).exists():
        return None
    client.customer = customer
    try:
        with constraint_error({"clients_client_unique_customer": _Raced}):
            client.save(update_fields=["customer", "updated_at"])
    except _Raced:
        return None
    emit("client.linked", client, changes={"customer": [None, customer.pk]})
    return client
