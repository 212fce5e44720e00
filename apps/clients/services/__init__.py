"""Changing clients: each change is an event of the client's timeline."""

from apps.clients.services.clients import create_client, delete_client, update_client

__all__ = ["create_client", "delete_client", "update_client"]
