"""The identity provider as the router's settings name it."""

from router.identity.provider import Provider, ProviderClient
from router.settings import RouterSettings
from router.tls.contexts import ClientContext


def provider_of(settings: RouterSettings) -> Provider | None:
    """The identity provider of the settings; None: there is none."""
    if not settings.oidc_issuer:
        return None
    secret = settings.oidc_client_secret.get_secret_value()
    client = ProviderClient(settings.oidc_issuer, settings.oidc_client_id, secret)
    return Provider(client, ClientContext(settings.tls_files, to="identity provider"))
