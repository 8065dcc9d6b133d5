"""The web API: ``create_app`` makes it over :class:`router.faces.Services`."""
