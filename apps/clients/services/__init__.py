"""Changing clients: each change is an event of the client's timeline."""

from apps.clients.services.access import ask_for_link, close_access, open_link
from apps.clients.services.clients import create_client, delete_client, update_client

__all__ = ["ask_for_link", "close_access", "create_client", "delete_client", "open_link", "update_client"]
