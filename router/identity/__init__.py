"""Identity providers: who somebody is, told by OpenID Connect instead of a password of ours."""

from router.identity.errors import ProviderDownError, ProviderRefusedError
from router.identity.flow import Begun
from router.identity.provider import Provider, ProviderClient
from router.identity.tokens import Identity

__all__ = ["Begun", "Identity", "Provider", "ProviderClient", "ProviderDownError", "ProviderRefusedError"]
