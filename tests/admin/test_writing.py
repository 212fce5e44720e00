"""Adding, changing and deleting in the admin: it really works, and what is refused is said in the form."""

from datetime import date, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Membership, Role
from apps.bookings.models import Booking
from apps.bookings.services.claims import Override
from apps.bookings.services.scheduling import schedule_booking
from apps.catalog.models import Service
from apps.clients.models import Client
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.packages.models import Package, PackageItem
from apps.payments.models import Payment
from apps.users.models import Customer, User
from factories.accounts import MembershipFactory
from factories.bookings import BookingFactory
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.clients import ClientFactory
from factories.orders import OrderFactory
from factories.packages import PackageItemFactory
from factories.payments import PaymentFactory
from factories.scheduling import WeeklyHoursFactory
from factories.users import AddressFactory, CustomerFactory, UserFactory

SERVICE = {
    "name": "Massage",
    "duration_minutes": 60,
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 0,
    "price_cents": 5000,
    "capacity": 1,
    "min_notice_minutes": 0,
    "min_attendees": 1,
    "min_attendees_hours": 24,
    "is_active": "on",
}
CLIENT = {"full_name": "Ana Lima", "email": "ana@example.test", "phone_number": "+4930123456", "stage": "active", "tags": "vip, new"}
PACKAGE = {"package_name": "Premium", "price_cents": 10000, "is_active": "on"}


def rows_of(prefix, *rows, initial=0):
    data = {
        f"{prefix}-TOTAL_FORMS": len(rows),
        f"{prefix}-INITIAL_FORMS": initial,
        f"{prefix}-MIN_NUM_FORMS": 0,
        f"{prefix}-MAX_NUM_FORMS": 1000,
    }
    for n, row in enumerate(rows):
        data |= {f"{prefix}-{n}-{key}": value for key, value in row.items()}
    return data


def errors_of(response):
    form = response.context["adminform"].form
    return {field: list(messages) for field, messages in form.errors.items()}


def test_a_service_is_added_changed_and_deleted_in_the_own_account(staff, account):
    added = staff.post(reverse("admin:catalog_service_add"), SERVICE)
    with account_scope(account):
        service = Service.objects.get()
    changed = staff.post(reverse("admin:catalog_service_change", args=[service.pk]), {**SERVICE, "price_cents": 6000})

    assert (added.status_code, changed.status_code) == (302, 302)
    with account_scope(account):
        service.refresh_from_db()
        versions = list(service.history.values_list("price_cents", "history_user__is_staff", "account_id"))
    assert (service.account_id, service.price_cents) == (account.pk, 6000)
    assert versions == [(6000, True, account.pk), (5000, True, account.pk)]

    assert staff.post(reverse("admin:catalog_service_delete", args=[service.pk]), {"post": "yes"}).status_code == 302
    with account_scope(account):
        assert not Service.objects.exists()


def test_a_client_is_written_by_the_services_with_events(staff, account):
    staff.post(reverse("admin:clients_client_add"), CLIENT)
    with account_scope(account):
        client = Client.objects.get()
    staff.post(reverse("admin:clients_client_change", args=[client.pk]), {**CLIENT, "full_name": "Ana Silva"})
    staff.post(reverse("admin:clients_client_delete", args=[client.pk]), {"post": "yes"})

    with account_scope(account):
        events = list(Event.objects.order_by("id").values_list("type", "changes", "source"))
        assert not Client.objects.exists()
    assert client.tags == ["vip", "new"]
    assert events == [
        ("client.created", {}, "admin"),
        ("client.updated", {"full_name": ["Ana Lima", "Ana Silva"]}, "admin"),
        ("client.deleted", {}, "admin"),
    ]


def test_a_package_takes_its_items_in_the_order_of_their_positions(staff, account):
    first, second = ServiceFactory.create_batch(2, account=account)
    items = rows_of("items", {"service": first.pk, "quantity": 2, "position": 2}, {"service": second.pk, "quantity": 1, "position": 1})

    assert staff.post(reverse("admin:packages_package_add"), {**PACKAGE, **items}).status_code == 302

    with account_scope(account):
        package = Package.objects.get()
        stored = list(package.items.order_by("position").values_list("service", "quantity", "position", "account"))
        kept = dict(package.items.values_list("service", "pk"))
    assert stored == [(second.pk, 1, 1, account.pk), (first.pk, 2, 2, account.pk)]

    swapped = rows_of(
        "items",
        {"id": kept[second.pk], "package": package.pk, "service": second.pk, "quantity": 1, "position": 2},
        {"id": kept[first.pk], "package": package.pk, "service": first.pk, "quantity": 5, "position": 1},
        initial=2,
    )
    assert staff.post(reverse("admin:packages_package_change", args=[package.pk]), {**PACKAGE, **swapped}).status_code == 302

    with account_scope(account):
        stored = list(package.items.order_by("position").values_list("service", "quantity"))
        removed = rows_of(
            "items",
            *(
                {"id": item.pk, "package": package.pk, "service": item.service_id, "quantity": 1, "position": 1, "DELETE": "on"}
                for item in package.items.all()
            ),
            initial=2,
        )
    assert stored == [(first.pk, 5), (second.pk, 1)]
    staff.post(reverse("admin:packages_package_change", args=[package.pk]), {**PACKAGE, **removed})
    with account_scope(account):
        assert not PackageItem.objects.exists()


def test_a_package_refuses_a_service_of_another_account(staff, account, other_account):
    foreign = ServiceFactory(account=other_account)

    response = staff.post(
        reverse("admin:packages_package_add"), {**PACKAGE, **rows_of("items", {"service": foreign.pk, "quantity": 1, "position": 1})}
    )

    assert response.status_code == 200
    assert list(response.context["inline_admin_formsets"][0].formset.errors[0]) == ["service"]
    with platform_scope("test"):
        assert not Package.objects.exists()


def test_an_item_of_another_account_cannot_be_edited_through_an_inline(staff, account, other_account):
    ours, theirs = PackageItemFactory(account=account), PackageItemFactory(account=other_account)
    data = rows_of(
        "items", {"id": theirs.pk, "package": ours.package_id, "service": ours.service_id, "quantity": 9, "position": 1}, initial=1
    )

    staff.post(reverse("admin:packages_package_change", args=[ours.package_id]), {**PACKAGE, **data})

    with platform_scope("test"):
        assert list(PackageItem.objects.order_by("pk").values_list("pk", "quantity")) == [(ours.pk, 3), (theirs.pk, 3)]


def test_the_account_of_a_row_cannot_be_posted(staff, account, other_account):
    staff.post(reverse("admin:catalog_service_add"), {**SERVICE, "account": other_account.pk, "account_id": other_account.pk})

    with platform_scope("test"):
        assert list(Service.objects.values_list("account_id", flat=True)) == [account.pk]


def test_constraints_speak_in_the_form(staff, account):
    ServiceFactory(account=account, name="Massage")

    twice = staff.post(reverse("admin:catalog_service_add"), SERVICE)
    endless = staff.post(reverse("admin:catalog_service_add"), {**SERVICE, "name": "Yoga", "duration_minutes": 0})

    assert (twice.status_code, endless.status_code) == (200, 200)
    assert list(errors_of(twice)) == ["__all__"]
    assert errors_of(endless) == {"__all__": ["A session lasts from 1 minute to 7 days."]}


def test_what_only_the_database_refuses_is_a_form_error_too(staff, account, monkeypatch):
    """Two people at once: the form has found nothing, then the unique index says no."""
    ServiceFactory(account=account, name="Massage")
    monkeypatch.setattr(Service, "validate_constraints", lambda *args, **kwargs: None)

    response = staff.post(reverse("admin:catalog_service_add"), SERVICE)

    assert response.status_code == 200
    assert list(errors_of(response)) == ["__all__"]
    with account_scope(account):
        assert Service.objects.count() == 1


def test_what_is_in_use_stays_and_the_page_says_so(staff, account):
    item = PackageItemFactory(account=account)
    order = OrderFactory(account=account)
    targets = {
        reverse("admin:catalog_service_delete", args=[item.service_id]): Service,
        reverse("admin:clients_client_delete", args=[order.client_id]): Client,
    }

    for address, model in targets.items():
        response = staff.post(address, {"post": "yes"}, follow=True)
        assert response.status_code == 200
        assert "This is in use and cannot be deleted" in response.content.decode()
        with account_scope(account):
            assert model.objects.filter(pk__in=[item.service_id, order.client_id]).exists()


def test_deleting_several_with_one_in_use_deletes_none(staff, account):
    free, used = ServiceFactory(account=account), PackageItemFactory(account=account).service

    response = staff.post(
        reverse("admin:catalog_service_changelist"),
        {"action": "delete_selected", "_selected_action": [free.pk, used.pk], "post": "yes"},
        follow=True,
    )

    assert response.status_code == 200
    with account_scope(account):
        assert Service.objects.filter(pk__in=[free.pk, used.pk]).count() == 2


def test_a_change_writes_only_the_changed_columns(staff, account, statements):
    service = ServiceFactory(account=account, name="Massage")

    with statements() as made:
        staff.post(reverse("admin:catalog_service_change", args=[service.pk]), {**SERVICE, "price_cents": 7000})

    (update,) = [sql for sql in made() if sql.startswith('UPDATE "catalog_service"')]
    assert '"price_cents" = 7000' in update
    assert '"name" =' not in update


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [(Role.OWNER, True, True), (Role.MANAGER, True, True), (Role.FRONT_DESK, True, False), (Role.PRACTITIONER, True, False)],
)
def test_roles_are_those_of_the_api(staff_of, account, role, reads, writes):
    browser = staff_of(account, role=role)

    assert (browser.get(reverse("admin:catalog_service_changelist")).status_code == 200) is reads
    assert (browser.get(reverse("admin:catalog_service_add")).status_code == 200) is writes
    assert (browser.post(reverse("admin:catalog_service_add"), SERVICE).status_code == 302) is writes


def test_the_history_cannot_be_posted_to(staff_of, account):
    service = ServiceFactory(account=account, name="Before")
    with account_scope(account):
        version = service.history.get().history_id
        service.name = "After"
        service.save()
    address = reverse("admin:catalog_service_simple_history", args=[service.pk, version])

    for role in (Role.OWNER, Role.PRACTITIONER):
        assert staff_of(account, role=role).post(address, {**SERVICE, "name": "Before"}).status_code == 403
    with account_scope(account):
        service.refresh_from_db()
    assert service.name == "After"


@pytest.mark.parametrize("text", ["abc", "99999999999999999999999", "1_", "-1", "0"])
@pytest.mark.parametrize("page", ["change", "history", "delete"])
def test_an_address_with_nonsense_is_no_server_error(staff, account, page, text):
    response = staff.get(reverse(f"admin:catalog_service_{page}", args=[text]))

    assert response.status_code in (302, 404)


def test_members_change_under_the_rules_of_the_services(staff_of, account):
    owner = staff_of(account)
    with account_scope(account):
        last = Membership.objects.get()
    other = MembershipFactory(account=account, role=Role.FRONT_DESK)

    kept = owner.post(reverse("admin:accounts_membership_change", args=[last.pk]), {"role": "manager", "is_active": "on"})
    done = owner.post(reverse("admin:accounts_membership_change", args=[other.pk]), {"role": "manager", "is_active": "on"})
    owner.post(reverse("admin:accounts_membership_delete", args=[last.pk]), {"post": "yes"})

    assert (kept.status_code, done.status_code) == (200, 302)
    assert errors_of(kept)["__all__"]
    with account_scope(account):
        assert dict(Membership.objects.values_list("pk", "role")) == {last.pk: "owner", other.pk: "manager"}
    assert owner.get(reverse("admin:accounts_membership_add")).status_code == 403


def test_an_owner_changes_the_own_account_but_not_what_it_stands_on(staff, account):
    data = {"name": "Studio B", "timezone": "Europe/Vienna", "country": "AT", "slug": "else", "currency": "USD", "status": "closed"}

    assert staff.post(reverse("admin:accounts_account_change", args=[account.pk]), data).status_code == 302

    account.refresh_from_db()
    assert (account.name, account.timezone, account.country_id) == ("Studio B", "Europe/Vienna", "AT")
    assert (account.slug, account.currency, account.status) == ("berlin", "EUR", "active")


def test_a_draft_session_is_scheduled_in_the_admin(staff, account):
    booking = BookingFactory(account=account)
    practitioner = PractitionerFactory(account=account)
    OfferingFactory(account=account, practitioner=practitioner, service=booking.service)
    WeeklyHoursFactory(account=account, practitioner=practitioner, weekday=0)
    address = reverse("admin:bookings_booking_change", args=[booking.pk])
    monday = next(date.fromordinal(n) for n in range(date.today().toordinal() + 7, date.today().toordinal() + 14) if n % 7 == 1)  # noqa: DTZ011

    empty = staff.post(address, {"override_because": ""})
    closed = staff.post(address, {"give_to": practitioner.pk, "start_0": monday.isoformat(), "start_1": "20:00"})
    done = staff.post(address, {"give_to": practitioner.pk, "start_0": monday.isoformat(), "start_1": "10:00"})
    again = staff.post(address, {"give_to": practitioner.pk, "start_0": monday.isoformat(), "start_1": "12:00"})

    assert (empty.status_code, closed.status_code, done.status_code, again.status_code) == (200, 200, 302, 302)
    assert errors_of(empty)["__all__"] == ["Choose a practitioner and a start."]
    assert errors_of(closed)["__all__"]
    with account_scope(account):
        booking.refresh_from_db()
        moved = Event.objects.get(type="booking.rescheduled")
    assert (booking.status, booking.local_start, booking.version) == ("confirmed", f"{monday.isoformat()}T12:00:00", 3)
    assert moved.changes["start_time"][1] == booking.start_time.isoformat()


def test_sessions_are_acted_upon_in_the_admin(staff, account):
    booking, draft = BookingFactory(account=account), BookingFactory(account=account)
    practitioner = PractitionerFactory(account=account)
    OfferingFactory(account=account, practitioner=practitioner, service=booking.service)
    with account_scope(account):
        schedule_booking(
            booking, practitioner=practitioner, start_time=timezone.now() - timedelta(hours=2), override=Override("It is the past.")
        )
    both = {"action": "complete", "_selected_action": [booking.pk, draft.pk]}

    response = staff.post(reverse("admin:bookings_booking_changelist"), both, follow=True)

    said = [str(message) for message in response.context["messages"]]
    assert said == [f"Session {draft.pk}: The state of this object does not allow that.", "Complete: 1."]
    with account_scope(account):
        assert list(Booking.objects.order_by("pk").values_list("status", flat=True)) == ["completed", "draft"]


def test_a_foreign_practitioner_cannot_be_given_a_session(staff, account, other_account):
    booking, foreign = BookingFactory(account=account), PractitionerFactory(account=other_account)

    response = staff.post(
        reverse("admin:bookings_booking_change", args=[booking.pk]), {"give_to": foreign.pk, "start_0": "2027-03-01", "start_1": "10:00"}
    )

    assert list(errors_of(response)) == ["give_to"]
    with account_scope(account):
        assert Booking.objects.get().status == "draft"


def test_payments_are_marked_as_received(staff_of, account):
    payment = PaymentFactory(account=account)
    data = {"action": "mark_as_received", "_selected_action": [payment.pk]}
    address = reverse("admin:payments_payment_changelist")

    staff_of(account, role=Role.PRACTITIONER).post(address, data)
    with account_scope(account):
        assert Payment.objects.get().status == "pending"
    browser = staff_of(account, role=Role.BOOKKEEPER)
    browser.post(address, data)
    again = browser.post(address, data, follow=True)

    with account_scope(account):
        payment = Payment.objects.select_related("order").get()
    assert (payment.status, payment.captured_cents, payment.order.payment_status) == ("succeeded", 5000, "paid")
    assert "settled or cancelled already" in again.content.decode()


def test_orders_cannot_be_edited(staff, account):
    order = OrderFactory(account=account)

    assert staff.post(reverse("admin:orders_order_change", args=[order.pk]), {"total_amount_cents": 1}).status_code == 403
    assert staff.get(reverse("admin:orders_order_add")).status_code == 403
    assert staff.post(reverse("admin:orders_order_delete", args=[order.pk]), {"post": "yes"}).status_code == 403


def test_a_superuser_adds_a_login_with_its_person(superuser):
    data = {
        "email": "New@Example.test",
        "usable_password": "true",
        "password1": "a long enough phrase",
        "password2": "a long enough phrase",
    }

    response = superuser.post(reverse("admin:users_user_add"), data)

    assert response.status_code == 302
    user = User.objects.get(email="new@example.test")
    assert user.check_password("a long enough phrase")
    assert Customer.objects.filter(user=user).exists()


def test_a_superuser_changes_users_and_customers(superuser):
    customer = CustomerFactory(phone_number="+4930111222")
    other = CustomerFactory(phone_number="+4930111333")
    user = {"email": "else@example.test", "username": "ana", "language": "de", "is_active": "on", "is_staff": "on"}
    person = {"full_name": "Ana", "gender": "F", "phone_number": "+4930111444", "country": "DE"}

    assert superuser.post(reverse("admin:users_user_change", args=[customer.user_id]), user).status_code == 302
    assert superuser.post(reverse("admin:users_customer_change", args=[customer.pk]), person).status_code == 302
    foreign = superuser.post(
        reverse("admin:users_customer_change", args=[customer.pk]), {**person, "primary_address": AddressFactory(user=other.user).pk}
    )
    taken = superuser.post(reverse("admin:users_customer_change", args=[customer.pk]), {**person, "phone_number": "+4930111333"})

    customer = Customer.objects.select_related("user").get(pk=customer.pk)
    assert (customer.user.username, customer.user.is_staff, customer.user.email) == ("ana", True, customer.user.email)
    assert customer.user.email != "else@example.test"
    assert (customer.full_name, str(customer.phone_number), customer.country_id) == ("Ana", "+4930111444", "DE")
    assert list(errors_of(foreign)) == ["primary_address"]
    assert list(errors_of(taken)) == ["phone_number"]


def test_customers_are_listed_as_source_001_says(superuser):
    model_admin = superuser.get(reverse("admin:users_customer_changelist")).context["cl"].model_admin

    assert {"user__date_joined", "user__is_active"} <= set(model_admin.list_filter)
    assert model_admin.date_hierarchy == "user__date_joined"
    assert model_admin.ordering == ("-user__date_joined",)
    assert model_admin.list_select_related == ("user__wallet", "country")  # joins the user, too
    for query in ("user__is_active__exact=1", "user__date_joined__year=2026", "q=user"):
        assert superuser.get(reverse("admin:users_customer_changelist") + "?" + query).status_code == 200


def test_changes_in_the_admin_leave_no_names_in_djangos_global_log(staff, account):
    staff.post(reverse("admin:catalog_service_add"), SERVICE)

    assert not LogEntry.objects.exists()


BIG = {
    "orders_order": lambda account: OrderFactory(account=account),
    "bookings_booking": lambda account: BookingFactory(account=account, practitioner=None),
    "clients_client": lambda account: ClientFactory(account=account, owner=MembershipFactory(account=account)),
    "catalog_offering": lambda account: OfferingFactory(account=account),
    "payments_payment": lambda account: PaymentFactory(account=account),
    "accounts_membership": lambda account: MembershipFactory(account=account, user=UserFactory()),
}
# Session, user, memberships (3), account scope, savepoint (2), whether there are rows (2), the rows: 11.
# One more for each filter that lists what occurs, two for the dates above the list.
EXPECTED = {
    "orders_order": 13,
    "bookings_booking": 15,
    "clients_client": 14,
    "catalog_offering": 13,
    "payments_payment": 13,
    "accounts_membership": 11,
}


@pytest.mark.parametrize("row_count", [1, 3])
@pytest.mark.parametrize("name", BIG)
def test_a_list_takes_a_fixed_number_of_statements(staff, account, statements, name, row_count):
    for _ in range(row_count):
        BIG[name](account)

    with statements() as made:
        response = staff.get(reverse(f"admin:{name}_changelist"))

    assert response.status_code == 200
    assert len(response.context["cl"].result_list) >= row_count
    assert len(made()) == EXPECTED[name], made()


@pytest.mark.parametrize("item_count", [1, 3])
def test_an_order_page_takes_a_fixed_number_of_statements(staff, account, statements, item_count):
    order = OrderFactory(account=account)
    for n in range(item_count):
        BookingFactory(account=account, order=order, position=n + 1)

    ContentType.objects.clear_cache()

    with statements() as made:
        response = staff.get(reverse("admin:orders_order_change", args=[order.pk]))

    assert response.content.decode().count("Draft") >= item_count
    assert len(made()) == 15, made()  # as above, and the order, its lines, bookings, payments, the content type
