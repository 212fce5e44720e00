"""Webhooks of the fake providers: sent until they are accepted."""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable


class Deliveries:
    """Sends events to their endpoints: again with growing pauses until one says 2xx; held back, twice or in reverse on request."""

    PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

    def __init__(self, compose: Callable[[str], tuple[str, dict[str, str], bytes] | None]) -> None:
        self._compose = compose
        self._wake = threading.Condition()
        self._waiting: list[tuple[float, int, str, int]] = []  # due, position, event, attempt
        self._held: list[str] = []
        self._position = 0
        self._sending = 0
        self._stopped = False
        self.held = self.reversed = False
        self.duplicates = 0
        self.statuses: dict[str, list[int]] = {}  # of each attempt; 0 when nobody answered
        self._thread = threading.Thread(target=self._run, daemon=True, name="fake webhooks")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread.ident:
            self._thread.join(5)

    def announce(self, event: str) -> None:
        """A new event: send it, or keep it while deliveries are held."""
        with self._wake:
            if self.held:
                self._held.append(event)
                return
            for _ in range(1 + self.duplicates):
                self._queue(event)

    def send(self, event: str) -> None:
        """Send it (again) now."""
        with self._wake:
            self._queue(event)

    def configure(self, *, hold: bool | None = None, reverse: bool | None = None, duplicates: int | None = None) -> None:
        """``hold`` keeps events until it is False again; then they go out, in ``reverse`` order and ``duplicates`` more times if so wished."""
        with self._wake:
            self.reversed = self.reversed if reverse is None else reverse
            self.duplicates = self.duplicates if duplicates is None else duplicates
            self.held = self.held if hold is None else hold
            if not self.held:
                for event in reversed(self._held) if self.reversed else self._held:
                    for _ in range(1 + self.duplicates):
                        self._queue(event)
                self._held.clear()

    def wait(self, seconds: float = 10.0) -> bool:
        """Until everything that was announced and not held has been accepted; False when that takes longer."""
        end = time.perf_counter() + seconds
        with self._wake:
            while self._waiting or self._sending:
                left = end - time.perf_counter()
                if left <= 0:
                    return False
                self._wake.wait(min(left, 0.2))
        return True

    def _queue(self, event: str, pause: float = 0.0, attempt: int = 0) -> None:
        self._position += 1
        self._waiting.append((time.perf_counter() + pause, self._position, event, attempt))
        self._wake.notify_all()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._stopped and not (self._waiting and min(self._waiting)[0] <= time.perf_counter()):
                    # perf_counter and short waits: a frozen clock of a test moves the others
                    self._wake.wait(0.05 if self._waiting else 1.0)
                if self._stopped:
                    return
                item = min(self._waiting)
                self._waiting.remove(item)
                self._sending += 1
            _, _, event, attempt = item
            status = self._deliver(event)
            with self._wake:
                self._sending -= 1
                self.statuses.setdefault(event, []).append(status)
                if not 200 <= status < 300:
                    self._queue(event, self.PAUSES[min(attempt, len(self.PAUSES) - 1)], attempt + 1)
                self._wake.notify_all()

    def _deliver(self, event: str) -> int:
        composed = self._compose(event)
        if composed is None:  # nobody listens
            return 204
        url, headers, body = composed
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers}, method="POST")  # noqa: S310
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code
        except OSError:
            return 0
