"""The web API: ``create_app`` makes it over :class:`router.api.services.Services`."""
