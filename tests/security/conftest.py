from tests.security.worlds import _worlds, two_worlds

__all__ = ["_worlds", "two_worlds"]
