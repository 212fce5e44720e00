"""A list of clients comes in: upload, preview, import, bad rows, duplicates, a merge with a quote, and everything taken back; then a list
goes out as a file that can be fetched once.

    make demo                           # in one terminal
    python3 examples/client_import.py   # in another

Standard library only. It works in the demo's first business with people of its own, so it can be run again and again. Exit code 1 when
anything differs from what was promised.
"""

import argparse
import csv
import io
import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from first_sale import PROJECT, Api, Mismatch, check, until

PEOPLE = 200


def main() -> None:
    """Run it against the demo's credentials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("DEMO_DIR", PROJECT / ".demo")) / "credentials.json"
    parser.add_argument("credentials", type=Path, nargs="?", default=default)
    demo = json.loads(parser.parse_args().credentials.read_text())
    owner = Api(demo["base_url"])
    owner.headers["Authorization"] = f"Token {demo['accounts'][0]['tokens']['owner']}"
    mark = secrets.token_hex(3)
    source = upload(owner, f"people-{mark}.csv", people(mark))
    bring_in(owner, source, mark)
    make_one_of_two(owner, mark)
    take_back(owner, source)
    fetch(owner, mark)
    print("Every list is in order.")


def people(mark: str) -> bytes:
    """200 people: one without an address that can be read, one without a name, one twice."""
    text = io.StringIO()
    table = csv.writer(text, delimiter=";")
    table.writerow(["Vorname", "Nachname", "E-Mail", "Telefon", "Schlagworte"])
    for n in range(PEOPLE):
        table.writerow([f"Person {n}", mark, f"{mark}.{n}@example.test", "", f"import-{mark}"])
    table.writerow(["Broken", mark, "not an address", "", ""])
    table.writerow(["", "", f"{mark}.nameless@example.test", "", ""])
    table.writerow(["Person 0", mark, f"{mark}.0@EXAMPLE.test", "", ""])
    return text.getvalue().encode("cp1252")


def upload(owner: Api, name: str, content: bytes) -> dict[str, Any]:
    """A form with a file, as a browser sends it."""
    print(f"Uploading {name}")
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(owner.base_url + "/api/clients/import/", body, method="POST")  # noqa: S310  the reader's own address
    for header, value in {**owner.headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}.items():
        request.add_header(header, value)
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        source: dict[str, Any] = json.load(response)
    check("nothing is read in yet", source["state"], "preview")
    check("the number of rows is known", source["total"], PEOPLE + 3)
    known = {"Vorname": "first_name", "Nachname": "last_name", "E-Mail": "email", "Telefon": "phone_number", "Schlagworte": "tags"}
    check("the German header was understood", source["mapping"], known)
    return source


def bring_in(owner: Api, source: dict[str, Any], mark: str) -> None:
    """Preview, commit, wait, and look at what was not read."""
    print("Reading it in")
    address = f"/api/client-imports/{source['id']}/"
    shown = owner.call("POST", f"{address}preview/", {"mapping": source["mapping"]})
    check("the first 200 rows are new", shown["counts"], {"new": PEOPLE, "duplicate": 0, "bad": 0})
    owner.call("POST", f"{address}commit/", {"mapping": source["mapping"], "on_duplicate": "skip"})
    done = until("the import has ended", lambda: ended(owner, address, "done"))
    counts = {name: done[name] for name in ("created", "skipped", "bad")}
    check("200 were entered, one was known, two could not be read", counts, {"created": PEOPLE, "skipped": 1, "bad": 2})
    bad = owner.get(f"{address}rows/?state=bad")["results"]
    reasons = [(row["line"], row["reason"]) for row in bad]
    expected = [(PEOPLE + 2, "email: Enter a valid email address."), (PEOPLE + 3, "full_name: This field is required.")]
    check("each bad row says why", reasons, expected)
    found = owner.get(f"/api/clients/?tag=import-{mark}&page_size=1")["results"]
    check("people are in the list", len(found), 1)


def make_one_of_two(owner: Api, mark: str) -> None:
    """Somebody enters one of them a second time: found, merged by a quote, and taken apart again."""
    print("Two records of one person")
    twin = owner.post("/api/clients/", {"full_name": f"Person 7 {mark}", "phone_number": "+4930123456"})
    likely = [one["client"] for one in twin["possible_duplicates"] if "same_name" in one["why"]]
    check("the other record is found", len(likely), 1)
    address = f"/api/clients/{likely[0]}/"
    quote = owner.call("POST", f"{address}merge/quote/", {"other": twin["id"]})
    check("the quote says where a value comes from", quote["fields"]["phone_number"]["from"], twin["id"])
    merge = owner.call("POST", f"{address}merge/", {"other": twin["id"], "quote": quote["token"]}, expect=201)
    check("the phone number is there now", owner.get(address)["phone_number"], "+4930123456")
    gone = owner.call("GET", f"/api/clients/{twin['id']}/", expect=404)
    check("the other record leads to it", gone["merged_into"], likely[0])
    owner.call("POST", f"/api/merges/{merge['id']}/undo/", {})
    check("and is a record of its own again", owner.get(f"/api/clients/{twin['id']}/")["full_name"], f"Person 7 {mark}")
    owner.call("DELETE", f"/api/clients/{twin['id']}/", expect=409)  # it was merged once, and says so


def take_back(owner: Api, source: dict[str, Any]) -> None:
    """Undo: who was touched since stays, the others go."""
    print("Taking the import back")
    address = f"/api/client-imports/{source['id']}/"
    owner.call("POST", f"{address}undo/", {})
    done = until("the import was taken back", lambda: ended(owner, address, "undone"))
    check("all but the merged one are gone", (done["removed"], done["left"]), (PEOPLE - 1, 1))


def fetch(owner: Api, mark: str) -> None:
    """A list as a file, once."""
    print("A list goes out")
    export = owner.post("/api/clients/export/", {"format": "csv", "search": mark})
    address = f"/api/client-exports/{export['id']}/"
    until("the file is ready", lambda: ended(owner, address, "ready"))
    request = urllib.request.Request(f"{owner.base_url}{address}download/", b"{}", method="POST")  # noqa: S310
    for header, value in {**owner.headers, "Content-Type": "application/json"}.items():
        request.add_header(header, value)
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        rows = list(csv.DictReader(io.StringIO(response.read().decode("utf-8-sig"))))
    check("it holds who is left", {row["full_name"] for row in rows}, {f"Person 7 {mark}"})
    owner.call("POST", f"{address}download/", {}, expect=409)
    print("    ✓ it cannot be fetched twice")


def ended(owner: Api, address: str, state: str) -> Any:
    """The row, once it is in this state."""
    found = owner.get(address)
    if found["state"] == "failed":
        raise Mismatch(f"{address} failed: {found.get('failure')}")
    return found if found["state"] == state else None


if __name__ == "__main__":
    try:
        main()
    except (Mismatch, urllib.error.URLError) as error:
        print(f"\n✗ {error}", file=sys.stderr)
        sys.exit(1)
