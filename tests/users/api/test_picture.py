"""/api/customer/me/image/: a person's own picture, kept in private."""

import io

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test.client import MULTIPART_CONTENT
from PIL import Image

from apps.core import storage
from apps.core.uploads import MAX_PIXELS
from apps.users.models import Customer
from apps.users.services.pictures import remove_picture
from factories.accounts import token_for
from factories.files import picture
from factories.users import CustomerFactory
from tests.bookings.conftest import folder
from tests.bookings.uploads import stored
from tests.conftest import ApiClient

URL = "/api/customer/me/image/"
__all__ = ["folder"]


pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def customer(db):
    return CustomerFactory()


@pytest.fixture
def me(customer):
    return ApiClient(token_for(customer.user))


def upload(client, content, name="me.png", **more):
    return client.post(URL, {"file": SimpleUploadedFile(name, content, "image/png"), **more}, MULTIPART_CONTENT)


def test_a_picture_is_kept_small_and_without_anything_but_pixels(me, customer, folder):
    wide = io.BytesIO()
    Image.new("RGB", (3000, 1500), "red").save(wide, "JPEG", comment=b"at home", exif=Image.Exif())

    response = upload(me, wide.getvalue(), "me.exe")  # its name says nothing

    assert response.status_code == 201
    assert response.json()["image"] == URL == me.get("/api/customer/me/").json()["image"]
    customer.refresh_from_db()
    assert stored(folder) == [customer.image.name]
    assert customer.image.name.startswith("people/")
    shown = me.get(URL, headers={"Accept": "image/*"})
    content = b"".join(shown.streaming_content)
    assert (shown.status_code, shown.headers["Content-Type"], shown.headers["X-Content-Type-Options"]) == (200, "image/webp", "nosniff")
    assert "attachment" in shown.headers["Content-Disposition"]
    kept = Image.open(io.BytesIO(content))
    assert (kept.format, kept.size) == ("WEBP", (1024, 512))
    assert b"at home" not in content


def test_the_next_picture_takes_the_place_of_the_one_before(me, customer, folder):
    upload(me, picture())
    customer.refresh_from_db()
    first = customer.image.name

    upload(me, picture())

    customer.refresh_from_db()
    assert customer.image.name != first
    storage.remove(first)  # what the job does that is queued now
    assert stored(folder) == [customer.image.name]


def test_a_picture_is_removed(me, customer):
    upload(me, picture())

    assert me.delete(URL).status_code == 204
    assert me.delete(URL).status_code == 204
    assert me.get(URL).status_code == 404
    assert me.get("/api/customer/me/").json()["image"] is None


def test_nobody_else_reads_it(me, customer):
    upload(me, picture())
    other = ApiClient(token_for(CustomerFactory().user))

    assert other.get(URL).status_code == 404
    assert ApiClient().get(URL).status_code == 401


def test_the_sweeper_knows_whose_it_is(me, folder):
    upload(me, picture())
    [key] = stored(folder)

    assert storage._known([key, "people/other"]) == {key}


@pytest.mark.parametrize("content", [b"", b"<svg onload=alert(1)>", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_picture_is_refused(me, folder, content):
    response = upload(me, content)

    assert (response.status_code, response.json()["error"]) == (400, "file_type_refused")
    assert stored(folder) == []


def test_a_photo_with_previews_behind_it_is_no_film(me):
    photo = io.BytesIO()
    views = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    views[0].save(photo, "MPO", save_all=True, append_images=views[1:])  # as cameras and phones write JPEGs

    assert upload(me, photo.getvalue(), "me.jpg").status_code == 201


def test_bombs_and_films_are_refused(me, folder):
    film, bomb = io.BytesIO(), io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(film, "WEBP", save_all=True, append_images=frames[1:])
    Image.new("1", (MAX_PIXELS // 1000 + 1, 1000)).save(bomb, "PNG")

    for content in (film.getvalue(), bomb.getvalue()):
        assert (upload(me, content).status_code, stored(folder)) == (400, [])


def test_a_form_without_a_file_or_with_more_is_refused(me):
    assert list(me.post(URL, {}, MULTIPART_CONTENT).json()["fields"]) == ["file"]
    assert list(upload(me, picture(), customer="1").json()["fields"]) == ["customer"]
    assert me.post(URL, {"file": "x"}).status_code == 415


def test_a_picture_of_the_old_storage_is_shown_where_it_lies(me, customer):
    Customer.objects.filter(pk=customer.pk).update(image="customers/ada.jpg")

    assert me.get("/api/customer/me/").json()["image"].endswith("media/customers/ada.jpg")
    assert me.get(URL).status_code == 404


def test_a_picture_of_the_old_storage_goes_after_commit_and_not_before(
    me, customer, settings, tmp_path, django_capture_on_commit_callbacks
):
    settings.MEDIA_ROOT = tmp_path
    old = default_storage.save("customers/ada.jpg", ContentFile(b"old"))
    Customer.objects.filter(pk=customer.pk).update(image=old)

    with transaction.atomic():
        remove_picture(Customer.objects.get(pk=customer.pk))
        transaction.set_rollback(True)  # something else went wrong
    assert default_storage.exists(old)

    with django_capture_on_commit_callbacks(execute=True):
        assert me.delete(URL).status_code == 204
    assert not default_storage.exists(old)
    assert me.get("/api/customer/me/").json()["image"] is None
