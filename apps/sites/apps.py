from django.apps import AppConfig


class SitesConfig(AppConfig):
    name = "apps.sites"

    def ready(self) -> None:
        from apps.sites import doctor, events, merging, subjects, tasks  # noqa: F401  declare and register them
