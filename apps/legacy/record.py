"""What an import has created, in a file that survives the process: one JSON object per line, appended before each commit."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from apps.core.errors import Invalid

KIND = "import_mti_customers"


class ImportRecord:
    """Primary keys by old table name. Ids only: no personal data.

    A line is written inside the transaction that creates its rows. A crash in between leaves ids of rows that do not exist,
    which undo passes over; never a row that the file does not know.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises Invalid for a file of something else."""
        self.path = path
        self.ids: dict[str, set[int]] = defaultdict(set)
        self.finished = False
        self.exists = path.exists()
        if self.exists:
            try:
                self._read(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise Invalid(f"{path} is not a record of {KIND}.") from error

    def _read(self, text: str) -> None:
        complete = text[: text.rfind("\n") + 1]  # a killed process may leave half a line, whose rows were not committed
        first, *lines = [json.loads(line) for line in complete.splitlines()] or [{"kind": KIND}]
        if first["kind"] != KIND:
            raise ValueError(first["kind"])
        for line in lines:
            if "created" in line:
                self.ids[line["table"]].update(line["created"])
                self.finished = False
            elif "deleted" in line:
                self.ids[line["table"]].difference_update(line["deleted"])
            else:
                self.finished = line["finished"]

    def created(self, table: str, ids: Iterable[int]) -> None:
        """Call inside the transaction, as its last act."""
        new = sorted(ids)
        self.ids[table].update(new)
        self.finished = False
        self._append({"table": table, "created": new})

    def deleted(self, table: str, ids: Iterable[int]) -> None:
        """Call after the commit."""
        gone = sorted(ids)
        self.ids[table].difference_update(gone)
        self._append({"table": table, "deleted": gone})

    def finish(self) -> None:
        """The import was verified: from now on a row that differs was changed by somebody."""
        self.finished = True
        self._append({"finished": True})

    def _append(self, line: dict[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self.path.exists() else "x+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end == 0:
                file.write(json.dumps({"kind": KIND}).encode() + b"\n")
            elif file.seek(end - 1) and file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
                file.seek(0, os.SEEK_END)
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
