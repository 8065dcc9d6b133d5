"""The web API: ``create_api`` makes it over :class:`router.faces.Services`."""
