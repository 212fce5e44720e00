"""Logins and the people behind them. All of it is global: one person may be a client of several accounts."""

from apps.users.models.customer import Address, Customer
from apps.users.models.export import PersonExport
from apps.users.models.user import User

__all__ = ["Address", "Customer", "PersonExport", "User"]
