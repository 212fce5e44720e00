"""WSGI entry point: plain, so that any server can run it."""

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from django.urls import get_resolver  # noqa: E402

from apps.core.checks import refuse_unbound_role  # noqa: E402

refuse_unbound_role()
get_resolver().url_patterns  # noqa: B018  import what the first request would import
# The loaded framework never becomes garbage: take it out of every full collection.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
