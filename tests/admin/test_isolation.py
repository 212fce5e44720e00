"""AC3 of security.md: whatever page of the admin is opened, nothing of another account is on it."""

import pytest
from django.contrib import admin
from django.urls import reverse

from apps.accounts.models import Membership, Role
from apps.core.models import TenantModel
from apps.core.tenancy import account_scope, platform_scope
from factories.accounts import AccountFactory
from tests.admin.conftest import OURS, THEIRS, our_admins


def url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def references(model):
    return [field for field in model._meta.fields if (field.many_to_one or field.one_to_one) and field.name != "account"]


def pages(model, model_admin, row):
    """Every address of one admin, asked about one row: lists, searches, filters, forms, history, deletion, pickers."""
    yield url(model, "changelist")
    yield url(model, "changelist") + "?q=" + THEIRS[:8]
    yield url(model, "changelist") + f"?id__exact={row.pk}"
    yield url(model, "changelist") + f"?account__id__exact={getattr(row, 'account_id', row.pk)}"
    for field in references(model):
        yield url(model, "changelist") + f"?{field.name}__id__exact={getattr(row, field.attname) or 0}"
        query = f"?app_label={model._meta.app_label}&model_name={model._meta.model_name}&field_name={field.name}"
        yield reverse("admin:autocomplete") + query + "&term="
        yield reverse("admin:autocomplete") + query + f"&term={THEIRS[:8]}"
    yield url(model, "add")
    for field in references(model):
        yield url(model, "add") + f"?{field.name}={getattr(row, field.attname) or 0}"
    yield url(model, "change", row.pk)
    yield url(model, "change", row.pk) + f"?_to_field={model._meta.pk.name}"
    yield url(model, "history", row.pk)
    yield url(model, "delete", row.pk)
    if hasattr(model._meta, "simple_history_manager_attribute"):
        with platform_scope("test"):
            versions = list(row.history.values_list("history_id", flat=True))
        for version in versions:
            yield url(model, "simple_history", row.pk, version)


def everywhere(rows):
    for model, model_admin in our_admins().items():
        yield from pages(model, model_admin, rows[model])
    yield reverse("admin:index")
    yield reverse("admin:choose_account")
    yield reverse("admin:search") + f"?s={THEIRS[:8]}&extended=1"
    for label in {model._meta.app_label for model in our_admins()}:
        yield reverse("admin:app_list", args=[label])


@pytest.mark.parametrize("role", [Role.OWNER, Role.PRACTITIONER])
def test_no_page_shows_staff_anything_of_another_account(staff_of, account, ours, theirs, role):
    browser = staff_of(account, role=role)

    shown = 0
    for address in everywhere(theirs):
        response = browser.get(address)
        assert response.status_code in (200, 302, 403, 404), (address, response.status_code)
        assert THEIRS not in response.content.decode(), address
        assert "New York" not in response.content.decode(), address
        shown += OURS in response.content.decode()

    assert shown > 50  # the pages do show the own account's rows


def test_the_same_pages_show_the_own_rows(staff, account, ours):
    for model, row in ours.items():
        listing = staff.get(url(model, "changelist"))
        if listing.status_code == 403:
            continue
        assert listing.status_code == 200
        for page in ("change", "history"):
            assert staff.get(url(model, page, row.pk), follow=True).status_code == 200, (model, page)
        if issubclass(model, TenantModel):
            assert OURS in staff.get(url(model, "change", row.pk)).content.decode(), model


def test_people_are_for_superusers(staff, ours):
    closed = {model.__name__ for model, row in ours.items() if staff.get(url(model, "changelist")).status_code == 403}

    assert closed == {"User", "Customer", "Address", "ApiToken", "IdempotencyKey", "Wallet"}


def state(rows):
    with platform_scope("test"):
        return {model: list(model._base_manager.order_by("pk").values()) for model in rows}


def test_nothing_of_another_account_can_be_changed_or_deleted(staff, ours, theirs):
    before = state(theirs)

    for model, row in theirs.items():
        for page in ("change", "delete"):
            response = staff.post(url(model, page, row.pk), {"post": "yes", "name": "x", "full_name": "x"})
            assert response.status_code in (302, 403, 404), (model, page)
        for action in ("delete_selected", "mark_as_received", "cancel", "complete"):
            data = {"action": action, "_selected_action": [row.pk], "post": "yes"}
            assert staff.post(url(model, "changelist"), data).status_code in (200, 302, 403), (model, action)

    assert state(theirs) == before


FOREIGN = [
    ("catalog_offering", {"practitioner": "catalog.Practitioner", "service": None}, {}),
    ("catalog_offering", {"practitioner": None, "service": "catalog.Service"}, {}),
    ("catalog_practitioner", {"member": "accounts.Membership"}, {"display_name": "Ana", "timezone": "Europe/Berlin"}),
    ("clients_client", {"owner": "accounts.Membership"}, {"full_name": "Ana", "stage": "active"}),
    ("scheduling_weeklyhours", {"practitioner": "catalog.Practitioner"}, {"weekday": 1, "start": "09:00", "end": "10:00"}),
    ("scheduling_dateoverride", {"practitioner": "catalog.Practitioner"}, {"date": "2027-02-01", "windows": "[]"}),
    ("scheduling_timeoff", {"practitioner": "catalog.Practitioner"}, {}),
]


@pytest.mark.parametrize(("name", "foreign", "data"), FOREIGN)
def test_a_form_does_not_know_ids_of_another_account(staff, ours, theirs, name, foreign, data):
    by_label = {model._meta.label: model for model in ours}
    model = next(m for m in ours if f"{m._meta.app_label}_{m._meta.model_name}" == name)
    fresh = {"catalog.Practitioner": ours, "catalog.Service": ours}
    chosen = {}
    for field, label in foreign.items():
        target = by_label[label] if label else model._meta.get_field(field).related_model
        chosen[field] = (theirs if label else fresh[target._meta.label])[target].pk
    before = state(ours)

    response = staff.post(url(model, "add"), {**INLINES, **data, **chosen})

    assert response.status_code == 200
    for field in (field for field, label in foreign.items() if label):
        assert response.context["adminform"].form.errors[field], field
    assert state(ours) == before


INLINES = {
    f"{prefix}-{key}": value
    for prefix in ("items", "offerings")
    for key, value in {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0, "MIN_NUM_FORMS": 0, "MAX_NUM_FORMS": 1000}.items()
}


def test_a_superuser_reads_everything_and_writes_in_one_account(superuser, account, ours, theirs):
    for model in ours:
        page = superuser.get(url(model, "changelist"))
        assert page.status_code == 200, model
        if issubclass(model, TenantModel):
            rows = list(page.context["cl"].result_list)
            assert {ours[model].account_id, theirs[model].account_id} <= {row.account_id for row in rows}, model
            assert superuser.get(url(model, "add")).status_code == 403, model
        assert superuser.get(url(model, "change", theirs[model].pk)).status_code == 200, model

    superuser.post(reverse("admin:choose_account"), {"account": account.pk})

    for model in (model for model in ours if issubclass(model, TenantModel)):
        assert THEIRS not in superuser.get(url(model, "changelist")).content.decode()
        assert superuser.get(url(model, "change", theirs[model].pk)).status_code == 302
    model = next(m for m in ours if m.__name__ == "Service")
    assert superuser.get(url(model, "add")).status_code == 200


def test_the_admins_that_other_apps_bring_are_closed_to_staff_and_open_to_superusers(staff, superuser):
    for model in set(admin.site._registry) - set(our_admins()):
        assert staff.get(url(model, "changelist")).status_code == 403, model
        assert superuser.get(url(model, "changelist")).status_code == 200, model


def test_every_admin_of_ours_has_a_row_in_this_test(theirs):
    assert set(theirs) == set(our_admins())
    assert all(issubclass(model, TenantModel) or model.__name__ in GLOBAL for model in theirs)


GLOBAL = {"Account", "ApiToken", "Country", "User", "Customer", "Address", "Wallet"}


def test_a_member_of_two_accounts_chooses_one(staff_of, account, other_account, ours, theirs):
    browser = staff_of(account, other_account)
    services = url(next(m for m in ours if m.__name__ == "Service"), "changelist")

    first = browser.get(services)
    browser.post(reverse("admin:choose_account"), {"account": other_account.pk})
    there = browser.get(services).content.decode()
    browser.post(reverse("admin:choose_account"), {"account": account.pk})
    here = browser.get(services).content.decode()

    assert (first.status_code, first["Location"]) == (302, reverse("admin:choose_account"))
    assert THEIRS in there
    assert OURS not in there
    assert OURS in here
    assert THEIRS not in here


def test_an_account_that_is_not_ones_own_cannot_be_chosen(staff, staff_of, account, other_account, ours, theirs):
    services = url(next(m for m in ours if m.__name__ == "Service"), "changelist")
    for browser in (staff, staff_of(account, AccountFactory())):
        browser.post(reverse("admin:choose_account"), {"account": other_account.pk})
        assert THEIRS not in browser.get(services, follow=True).content.decode()


def test_staff_without_a_membership_are_told_so_and_can_leave(staff_of, theirs):
    browser = staff_of()

    page = browser.get(reverse("admin:index"))

    assert page.status_code == 403
    assert "not an active member" in page.content.decode()
    assert browser.post(reverse("admin:logout")).status_code == 200


def test_a_membership_that_ended_closes_the_admin_at_once(staff, account):
    assert staff.get(reverse("admin:index")).status_code == 200
    with account_scope(account):
        Membership.objects.update(is_active=False)

    assert staff.get(reverse("admin:index")).status_code == 403


def test_who_is_not_staff_is_sent_to_the_login(client_as, account):
    response = client_as(Role.OWNER).get(reverse("admin:index"))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))
