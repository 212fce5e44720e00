"""The customer part of source 001."""

import pytest
from django.db import IntegrityError

from apps.core.errors import Invalid
from apps.users.errors import InactiveUser
from apps.users.models import Customer, User
from apps.users.selectors import customers_with_user, get_customer_with_user, group_users_by_type
from apps.users.services import change_password, create_customer, deactivate_user, get_or_create_active_customer
from factories.users import PASSWORD, CustomerFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_customer_shows_the_login_by_properties():
    customer = create_customer(email="Ada@Example.test", password=PASSWORD, username="ada", language="de", full_name="Ada L")

    assert (customer.email, customer.username, customer.language, customer.is_active) == ("ada@example.test", "ada", "de", True)
    assert customer.date_joined == customer.user.date_joined
    assert customer.pk is not None
    assert str(customer) == "Ada L"


def test_customer_has_an_id_of_its_own():
    UserFactory()
    customer = CustomerFactory()

    assert not issubclass(Customer, User)
    assert not Customer._meta.get_field("user").primary_key
    assert Customer.objects.get(user=customer.user).pk == customer.pk


def test_passwords_are_set_and_checked_through_the_customer():
    customer = CustomerFactory()

    customer.set_password("another horse battery")

    assert customer.check_password("another horse battery")
    assert not customer.check_password(PASSWORD)


def test_hasattr_tells_who_is_a_customer():
    customer = CustomerFactory()

    assert hasattr(User.objects.get(pk=customer.user_id), "customer")
    assert not hasattr(UserFactory(), "customer")


def test_factory_builds_the_user_first():
    customer = CustomerFactory(user__email="first@example.test")

    assert customer.user.pk is not None
    assert customer.user.customer == customer


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": "ADA@example.test"}, "email"),
        ({"email": "b@example.test", "username": "ada"}, "username"),
        ({"email": "b@example.test", "phone_number": "+4930123456"}, "phone_number"),
    ],
)
def test_create_customer_refuses_duplicates_and_leaves_nothing(fields, field):
    create_customer(email="ada@example.test", username="ada", phone_number="+4930123456")

    with pytest.raises(Invalid) as raised:
        create_customer(**fields)

    assert list(raised.value.fields) == [field]
    assert User.objects.count() == Customer.objects.count() == 1


def test_empty_phone_numbers_and_user_names_are_null_and_do_not_collide():
    for number in range(2):
        create_customer(email=f"{number}@example.test", username="", phone_number="")

    assert list(Customer.objects.values_list("phone_number", "user__username")) == [(None, None)] * 2


def test_the_database_refuses_a_second_profile():
    customer = CustomerFactory()

    with pytest.raises(IntegrityError):
        CustomerFactory(user=customer.user)


def test_change_password_works_on_the_user_and_refuses_weak_ones():
    customer = CustomerFactory()

    change_password(customer=customer, new_password="another horse battery")
    assert User.objects.get(pk=customer.user_id).check_password("another horse battery")

    with pytest.raises(Invalid) as raised:
        change_password(customer=customer, new_password="short")
    assert list(raised.value.fields) == ["new_password"]


def test_get_or_create_active_customer_reuses_completes_and_creates():
    customer, login = CustomerFactory(user__email="ada@example.test"), UserFactory(email="bare@example.test")

    assert get_or_create_active_customer(email="ADA@example.test") == (customer, False)
    completed, made = get_or_create_active_customer(email="bare@example.test", full_name="Bare")
    assert (completed.user, completed.full_name, made) == (login, "Bare", True)
    new, made = get_or_create_active_customer(email="new@example.test")
    assert (new.user.has_usable_password(), made) == (False, True)


def test_get_or_create_active_customer_refuses_the_inactive():
    customer = CustomerFactory(user__email="ada@example.test")
    deactivate_user(user=customer.user)

    with pytest.raises(InactiveUser):
        get_or_create_active_customer(email="ada@example.test")


def test_group_users_by_type_asks_for_the_profile(django_assert_num_queries):
    CustomerFactory.create_batch(3)
    UserFactory()

    with django_assert_num_queries(1):
        groups = group_users_by_type(User.objects.select_related("customer").order_by("pk"))

    assert [len(groups["customers"]), len(groups["others"])] == [3, 1]


@pytest.mark.parametrize("count", [1, 3])
def test_customers_come_with_user_and_country_in_one_statement(count, django_assert_num_queries):
    CustomerFactory.create_batch(count, country_id="DE")

    with django_assert_num_queries(1):
        shown = [(customer.email, customer.country.name) for customer in customers_with_user()]

    assert len(shown) == count


def test_get_customer_with_user_takes_one_statement(django_assert_num_queries):
    pk = CustomerFactory().pk

    with django_assert_num_queries(1):
        assert get_customer_with_user(pk).email
