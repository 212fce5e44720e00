"""Serializers of the staff door, a module per aggregate."""
