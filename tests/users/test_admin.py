"""People in the admin."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from django.urls import reverse

from apps.users.models import User
from apps.users.services.pictures import set_picture
from factories.files import picture
from factories.users import CustomerFactory
from tests.bookings.conftest import folder
from tests.bookings.uploads import stored

__all__ = ["folder"]

FORM = {"full_name": "Ada", "gender": "NS"}


@pytest.fixture
def superuser(db):
    browser = Browser()
    user = User.objects.create_superuser("root@example.test", "correct horse battery")
    browser.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def customer(folder, db):
    return set_picture(CustomerFactory(full_name="Ada"), content=picture())


def change(superuser, customer, **form):
    response = superuser.post(reverse("admin:users_customer_change", args=[customer.pk]), {**FORM, **form})
    customer.refresh_from_db()
    return response


def test_a_picture_is_taken_away(superuser, customer):
    assert change(superuser, customer, **{"image-clear": "on"}).status_code == 302

    assert customer.image.name == ""


def test_a_picture_from_the_admin_is_made_anew_and_kept_in_private(superuser, customer, folder):
    first = customer.image.name

    assert change(superuser, customer, image=SimpleUploadedFile("me.png", picture(), "image/png"), full_name="Ana").status_code == 302

    assert (customer.full_name, customer.image.name.startswith("people/")) == ("Ana", True)
    assert customer.image.name != first
    assert customer.image.name in stored(folder)


def test_what_is_no_picture_to_us_is_refused_in_the_form(superuser, customer):
    before = customer.image.name
    film = SimpleUploadedFile(
        "me.gif", b"GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;", "image/gif"
    )

    assert change(superuser, customer, image=film).status_code == 200

    assert customer.image.name == before
