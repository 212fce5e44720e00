"""Finding a client by what somebody types (apps/clients/search.py)."""

import random
from urllib.parse import quote

import pytest
from django.db import connection

from apps.clients.models import Client
from apps.clients.search import find
from apps.core.tenancy import account_scope
from factories.clients import ClientFactory

PEOPLE = {
    "ada": ("Ada Lovelace", "ada.lovelace@example.test", "+4930123456"),
    "juergen": ("Jürgen Groß-Łukasz", "j.gross@example.test", ""),
    "oneill": ("Sinéad O’Neill", "", "+35312345678"),
    "anna": ("Anna Schmidt", "anna@example.test", ""),
    "anne": ("Anne Schmid", "anne@example.test", ""),
    "andre": ("André Müller", "andre.mueller@web.test", "+4915112345678"),
    "moskau": ("Анна Каренина", "", ""),
}


@pytest.fixture
def people(account):
    return {
        key: ClientFactory(account=account, full_name=name, email=email, phone_number=phone) for key, (name, email, phone) in PEOPLE.items()
    }


def found(people, typed, limit=100):
    by_id = {client.pk: key for key, client in people.items()}
    with account_scope(people["ada"].account_id):
        return [by_id[pk] for pk in find(Client.objects.current(), typed, limit)]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("ada", "ada"),
        ("LOVELACE", "ada"),
        ("lovelace ada", "ada"),
        ("ada lovelcae", "ada"),  # swapped
        ("ada lovelac", "ada"),  # left out
        ("ada lovvelace", "ada"),  # put in
        ("ada lofelace", "ada"),  # replaced
        ("adalovelace", "ada"),  # the blank left out
        ("ad alovelace", "ada"),  # the blank swapped
        ("lovelase", "ada"),
        ("lovel", "ada"),
        ("lovlea", "ada"),  # still typing, with a slip
        ("ada.lovelace@exmaple.test", "ada"),
        ("ada.lovelace2example.test", "ada"),
        ("ada.lovelaceexample.test", "ada"),
        ("030 123456", "ada"),
        ("+49 (30) 12 34 56", "ada"),
        ("030 124356", "ada"),
        ("030123457", "ada"),
        ("jurgen", "juergen"),
        ("Jürgen Gross", "juergen"),
        ("groß lukasz", "juergen"),
        ("oneill", "oneill"),
        ("sinead o'neil", "oneill"),
        ("andre muller", "andre"),
        ("andré mueller", "andre"),
        ("анна каренина", "moskau"),
        ("анна карннина", "moskau"),
        ("anna schmidt", "anna"),
        ("anna schmdit", "anna"),
        ("anne schmid", "anne"),
    ],
)
def test_the_one_who_is_meant_comes_first(people, typed, first):
    assert found(people, typed)[:1] == [first]


def test_exact_finds_come_before_near_ones(people):
    assert found(people, "anna") == ["anna", "anne"]
    assert found(people, "schmid") == ["anne", "anna"]


@pytest.mark.parametrize("typed", ["zzzz", "ada schmidt", "%", "_ %", "\\", "adx lovelacx", "…", "9" * 200, "q"])
def test_what_nobody_is_called_finds_nobody(people, typed):
    """Patterns are no patterns here, and two slips are too many."""
    assert found(people, typed) == []


def test_the_limit_keeps_the_best(account):
    for number in range(15):
        ClientFactory(account=account, full_name=f"Annabel {number:02}", email="")
    best = ClientFactory(account=account, full_name="Anna Zimmer", email="")

    with account_scope(account):
        assert find(Client.objects.current(), "anna", 3)[0] == best.pk
        assert len(find(Client.objects.current(), "anna", 3)) == 3


def test_every_single_slip_is_forgiven(people):
    """All slips of two names and an address, not a sample: none is lost between the database and the comparison."""
    letters = "aexz"
    for key, text in (("ada", "ada lovelace"), ("andre", "andre muller"), ("ada", "ada.lovelace@example.test")):
        slips = {text[:i] + text[i + 1 :] for i in range(len(text))}
        slips |= {text[:i] + c + text[i:] for i in range(len(text) + 1) for c in letters}
        slips |= {text[:i] + c + text[i + 1 :] for i in range(len(text)) for c in letters}
        slips |= {text[:i] + text[i + 1] + text[i] + text[i + 2 :] for i in range(len(text) - 1)}
        lost = [typed for typed in random.Random(1).sample(sorted(slips), 60) if key not in found(people, typed)[:10]]
        assert lost == []


def test_rows_of_other_accounts_and_merged_ones_are_not_found(people, account, other_account):
    ClientFactory(account=other_account, full_name="Ada Lovelace")
    ClientFactory(account=account, full_name="Ada Lovelace", merged_into=people["ada"])

    assert found(people, "ada lovelace") == ["ada"]


def test_what_search_compares_follows_every_write(people, account):
    """Also raw SQL, and a save that carries stale values."""
    stale = people["ada"]
    with account_scope(account), connection.cursor() as cursor:
        Client.objects.filter(pk=stale.pk).update(full_name="Grace Hopper")
        assert found(people, "grace") == ["ada"]
        cursor.execute("UPDATE clients_client SET search_text = 'x', email_key = '' WHERE id = %s", [stale.pk])
        cursor.execute("SELECT search_text, email_key FROM clients_client WHERE id = %s", [stale.pk])
        assert cursor.fetchone() == ("grace hopper ada.lovelace@example.test 4930123456", "ada.lovelace@example.test")
        stale.save()  # a whole row, read before

    assert found(people, "grace") == []
    assert found(people, "ada") == ["ada"]


def test_over_http_one_ranked_page(people, owner):
    answer = owner.get("/api/clients/", {"search": "anna schmdit"})
    assert (answer.status_code, answer.json()["next"], answer.json()["previous"]) == (200, None, None)
    assert answer.json()["results"][0]["full_name"] == "Anna Schmidt"
    assert owner.get("/api/clients/", {"search": "anna", "stage": "lead"}).json()["results"] == []

    ordered = owner.get("/api/clients/", {"search": "an", "ordering": "full_name", "page_size": 1}).json()
    assert [ordered["results"][0]["full_name"], bool(ordered["next"])] == ["André Müller", True]


@pytest.mark.parametrize("text", ["\x00", "\ud800", "x" * 100_000, "‮abc", "a\u0300" * 500])
def test_bad_text_is_refused_or_finds_nothing(people, owner, text):
    """Never a server error, whatever it is."""
    answer = owner.get(f"/api/clients/?search={quote(text, errors='surrogatepass')}")

    assert answer.status_code in (200, 400)
