#!/usr/bin/env python
"""Django's command line."""

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    demo = sys.argv[1:2] == ["demo"]
    if demo:  # settings put database, media and mail below DATA_DIR when they are imported
        os.environ["DATA_DIR"] = os.environ.get("DEMO_DIR") or str(Path(__file__).resolve().parent / ".demo")
    # SIGTERM, too, leaves through the exit handlers: one of them stops the embedded PostgreSQL.
    for ending in (signal.SIGTERM, signal.SIGINT) if demo else (signal.SIGTERM,):
        signal.signal(ending, lambda number, frame: sys.exit(0 if demo else 128 + number))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
