"""What goes wrong with an identity provider.

::

    RouterError
    ├── ProviderDownError     503  it does not answer, or not as OpenID Connect says
    └── ProviderRefusedError  401  what it answered, or what came back to us, proves nobody
"""

from router.errors import RouterError


class ProviderDownError(RouterError):
    """The provider does not answer, or not as OpenID Connect says."""

    status, slug, title = 503, "provider-down", "The identity provider does not answer"
    default_hint = "log in with a password of the console, or try again later"


class ProviderRefusedError(RouterError):
    """What came from the provider proves nobody."""

    status, slug, title = 401, "provider-refused", "The identity provider's answer is not accepted"
    default_hint = "begin the login again"
