from django.apps import AppConfig


class LocationConfig(AppConfig):
    name = "apps.location"
