"""The application of the live server, a plain ASGI one; ``manage.py live`` sets Django up and serves it."""

from apps.notifications.live import Live

application = Live()
