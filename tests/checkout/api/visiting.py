"""What the tests of the public checkout share."""

from allauth.account.models import EmailAddress

from apps.clients.models import Client
from apps.core.tenancy import account_scope
from factories.users import CustomerFactory
from tests.conftest import ApiClient

URL = "/api/public/berlin/checkout/"
ADA = {"full_name": "Ada Lovelace", "email": "ada@example.com"}
TEN = "2026-11-23T10:00:00+01:00"


def send(studio, client=None, status=201, headers=None, **body):
    what = {} if "package" in body else {"service": studio.service.pk}
    who = ADA if client is None else {}
    response = (client or ApiClient()).post(URL, {"method": "cash", **what, **who, **body}, headers=headers or {})
    assert response.status_code == status, response.content
    return response.json()


def at_ten(studio):
    return {"practitioner": studio.practitioner.pk, "start_time": TEN}


def clients(studio):
    with account_scope(studio.account):
        return list(Client.objects.order_by("pk").values_list("email", "full_name", "stage", "source", "customer_id"))


def stored(studio, model, **about):
    with account_scope(studio.account):
        return model.objects.select_related("client").get(**about)


def set_fields(row, **fields):
    with account_scope(row.account_id):
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()


def verified(**fields):
    person = CustomerFactory(**fields)
    EmailAddress.objects.create(user=person.user, email=person.user.email, verified=True, primary=True)
    return person
