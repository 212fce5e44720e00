"""manage.py demo, its credentials file, the example and the README, against one served demo."""

import http.cookiejar
import re
import signal
import socket
import stat
import sys
import urllib.parse
import urllib.request
from datetime import UTC, datetime

import pytest

from tests.demo.conftest import PROJECT, Demo, eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]

ROLES = ["owner", "manager", "practitioner", "front_desk", "bookkeeper"]
README_BLOCK = re.compile(r"<!-- first-sale:.*?-->\n```bash\n(.*?)```", re.DOTALL)


def test_credentials_say_what_the_contract_says(demo: Demo):
    content = demo.credentials

    assert content["base_url"] == f"http://127.0.0.1:{demo.port}"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/live/", content["live_url"])
    assert set(content["admin"]) == {"url", "email", "password"}
    assert stat.S_IMODE(demo.path.stat().st_mode) == 0o600
    first, second = content["accounts"]
    assert first["timezone"] != second["timezone"]
    assert first["currency"] != second["currency"]
    for account in (first, second):
        assert set(account) == {"slug", "name", "timezone", "currency", "tokens", "customers"}
        assert sorted(account["tokens"]) == sorted(ROLES)
        assert account["customers"]


def test_each_token_belongs_to_one_member_of_one_account(demo: Demo):
    for account in demo.credentials["accounts"]:
        for role, token in account["tokens"].items():
            [membership] = demo.get("/api/me/", token)["memberships"]
            assert (membership["account"]["slug"], membership["role"]) == (account["slug"], role)
        for customer in account["customers"]:
            assert demo.get("/api/customer/me/", customer["token"])["email"] == customer["email"]


def test_both_accounts_hold_a_whole_business(demo: Demo):
    now = datetime.now(UTC)
    for account in demo.credentials["accounts"]:
        token = account["tokens"]["owner"]
        orders, bookings = demo.every("/api/orders/?page_size=100", token), demo.every("/api/bookings/?page_size=100", token)
        starts = [datetime.fromisoformat(b["start_time"].replace("Z", "+00:00")) for b in bookings if b["start_time"]]

        assert {o["status"] for o in orders} == {"active", "paused", "expired", "completed", "cancelled"}
        assert {o["payment_status"] for o in orders} == {"unpaid", "part_paid", "paid", "overpaid"}
        assert {o["order_type"] for o in orders} == {"service", "package"}
        assert {b["status"] for b in bookings} == {"draft", "confirmed", "completed", "no_show", "cancelled", "forfeited"}
        assert min(starts) < now < max(starts)
        assert len(demo.every("/api/clients/", token)) == 26
        assert 3 <= len(demo.every("/api/practitioners/", token)) <= 4
        assert demo.every("/api/weekly-hours/", token)
        assert all(off["practitioner"] for off in demo.every("/api/time-off/", token) if off["ends_at"] > now.isoformat())
        [empty] = [p for p in demo.every("/api/packages/", token) if not p["items"]]
        sale = {"client": orders[0]["client"], "package": empty["id"], "method": "cash"}
        assert demo.request("POST", "/api/checkout/", token, sale)[1]["error"] == "package_empty"


def test_a_token_sees_its_own_account_only(demo: Demo):
    first, second = demo.credentials["accounts"]
    for mine, theirs in ((first, second), (second, first)):
        token, foreign = mine["tokens"]["owner"], theirs["tokens"]["owner"]
        for name in ("clients", "orders", "bookings", "packages", "services", "payments"):
            own = {row["id"] for row in demo.every(f"/api/{name}/?page_size=100", token)}
            others = {row["id"] for row in demo.every(f"/api/{name}/?page_size=100", foreign)}
            assert own
            assert not own & others
            assert demo.request("GET", f"/api/{name}/{min(others)}/", token)[0] == 404
        assert demo.request("GET", "/api/orders/", token, **{"X-Account": theirs["slug"]})[0] == 403


def test_notifications_arrive_live_where_the_ticket_says(demo: Demo):
    account = demo.credentials["accounts"][0]
    status, ticket = demo.request("POST", "/api/notifications/stream/", account["tokens"]["owner"], {})
    assert (status, ticket["url"].partition("?")[0]) == (200, demo.credentials["live_url"])

    with urllib.request.urlopen(ticket["url"], timeout=10) as stream:  # noqa: S310  our own server
        assert stream.readline() == b"retry: 2000\n"


def test_every_business_reminds_its_clients_a_day_and_two_hours_before(demo: Demo):
    for account in demo.credentials["accounts"]:
        rules = demo.get("/api/reminder-rules/", account["tokens"]["owner"])["results"]
        assert [(rule["minutes_before"], rule["channels"]) for rule in rules] == [(1440, ["email"]), (120, ["email", "in_app"])]
        assert eventually(lambda account=account: demo.get("/api/reminders/?state=planned", account["tokens"]["owner"])["results"], 300)


def test_the_first_sale_example_keeps_its_promises(demo: Demo):
    done = demo.run(sys.executable, "examples/first_sale.py", str(demo.path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Everything is as promised.\n")


def test_the_first_sale_example_fails_on_another_answer(demo: Demo):
    """Its exit code is worth something: against a server without our addresses it is 1."""
    done = demo.run(sys.executable, "examples/first_sale.py", str(demo.path), "--base-url", f"http://127.0.0.1:{demo.port}/elsewhere")

    assert done.returncode == 1
    assert "expected 401, found 404" in done.stderr


@pytest.mark.parametrize(
    ("example", "last_words"),
    [
        ("a_week_in_the_studio", "A good week."),
        ("paying_online", "Every cent is where it belongs."),  # cards and PayPal, settled by webhooks that their servers deliver
        ("telling_people", "Nobody was left out."),  # mails, a live stream, webhooks to a server that is not ours, calendars, the log
        ("client_import", "Every list is in order."),
        ("site_owner", "The form sends mail again."),
    ],
)
def test_examples_keep_their_promises_more_than_once(demo: Demo, example: str, last_words: str):
    for _ in range(2):
        done = demo.run(sys.executable, f"examples/{example}.py", str(demo.path))

        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.endswith(f"{last_words}\n")


@pytest.mark.curl
def test_the_readme_walks_through_a_first_sale(demo: Demo):
    [block] = README_BLOCK.findall((PROJECT / "README.md").read_text(encoding="utf-8"))

    done = demo.run("bash", "-c", block)

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"payment_status": "paid"' in done.stdout
    assert re.findall(r'"price_cents": (333\d)', done.stdout) == ["3334", "3333", "3333"]


def test_the_readme_links_to_what_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", (PROJECT / "README.md").read_text(encoding="utf-8"))

    assert links
    assert [link for link in links if not (PROJECT / link).exists()] == []


def test_a_body_over_the_limit_is_refused_without_a_reset(demo: Demo):
    token = demo.credentials["accounts"][0]["tokens"]["owner"]
    size = 3_000_000
    head = f"POST /api/packages/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {token}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", demo.port), timeout=20) as connection:
        connection.sendall(f"{head}Content-Length: {size}\r\nConnection: close\r\n\r\n".encode())
        connection.sendall(b" " * size)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"error":"payload_too_large"' in answer


def test_the_admin_lets_the_superuser_in(demo: Demo):
    admin = demo.credentials["admin"]
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    login = f"{admin['url']}login/"
    page = browser.open(login, timeout=20).read().decode()
    assert 'name="username"' in page
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    form = {"username": admin["email"], "password": admin["password"], "csrfmiddlewaretoken": csrf, "next": "/admin/"}

    browser.addheaders = [("Referer", login)]
    answer = browser.open(login, urllib.parse.urlencode(form).encode(), timeout=20)

    assert answer.url == admin["url"]
    assert admin["email"] in answer.read().decode()


def test_the_pages_of_the_api_need_nobody_else(demo: Demo):
    with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/api/docs/", timeout=20) as response:
        page = response.read().decode()
    with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/api/schema/", timeout=20) as response:
        schema = response.read().decode()

    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert files
    assert all(file.startswith("/static/") for file in files)
    for file in files:
        assert urllib.request.urlopen(f"http://127.0.0.1:{demo.port}{file}", timeout=20).status == 200
    assert schema.startswith("openapi: 3.1")


def test_health(demo: Demo):
    assert demo.get("/healthz") == {"status": "ok"}
    assert demo.get("/readyz") == {"status": "ready"}


def test_a_second_demo_is_told_what_is_in_its_way(demo: Demo):
    same_folder = demo.run(sys.executable, "manage.py", "demo")
    same_port = demo.run(sys.executable, "manage.py", "serve", DATA_DIR=str(demo.folder))

    assert (same_folder.returncode, same_port.returncode) == (1, 1)
    assert f"A demo is running in {demo.folder}." in same_folder.stderr
    assert f"Port {demo.port} on 127.0.0.1 is in use." in same_port.stderr
    assert demo.get("/readyz") == {"status": "ready"}


def test_the_data_is_sound(demo: Demo):
    done = demo.run(sys.executable, "manage.py", "doctor", DATA_DIR=str(demo.folder))

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_signal_stops_everything_and_the_next_run_keeps_the_data(demo: Demo):
    before = demo.credentials
    token = before["accounts"][0]["tokens"]["owner"]
    orders = [order["id"] for order in demo.every("/api/orders/?page_size=100", token)]

    code = demo.end(signal.SIGTERM)

    assert code == 0
    assert demo.living() == []
    assert not demo.path.exists()

    demo.start()

    assert "Keeping the data of the last run" in demo.log.read_text()
    ports = {name: before[name] for name in ("providers", "live_url")}  # free ones, new each time
    assert {**demo.credentials, **ports} == before
    assert [order["id"] for order in demo.every("/api/orders/?page_size=100", token)] == orders


def test_nothing_outlives_a_killed_demo(demo: Demo):
    assert len(demo.living()) >= 4  # the demo, its server with processes, its worker, and PostgreSQL

    demo.end(signal.SIGKILL)

    assert eventually(lambda: not demo.living(), 20), demo.living()
    demo.start()
    assert demo.get("/readyz") == {"status": "ready"}


def test_the_end_of_a_child_is_the_end_of_the_demo(demo: Demo):
    [worker] = [int(pid) for pid in demo.run("pgrep", "-f", "-P", str(demo.process.pid), "manage.py worker").stdout.split()]

    demo.run("kill", "-9", str(worker))

    assert demo.process.wait(30) == 1
    assert "manage.py worker ended with code -9" in demo.log.read_text()
    assert demo.living() == []
