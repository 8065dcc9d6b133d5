"""Whether a URL's way may carry a login: encrypted, or within this machine."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

_ENCRYPTED = frozenset({"amqps", "https"})


def is_protected(url: str) -> bool:
    """Whether what is sent to a URL's host is encrypted, or never leaves this machine."""
    parts = urlsplit(url)
    return parts.scheme in _ENCRYPTED or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine itself (RFC 6761, RFC 1122)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def require_protected(urls: Mapping[str, str], permission: str) -> None:
    """Refuse URLs over which logins and documents would travel in clear.

    Args:
        urls: each setting's variable and its URL; an empty one is not looked at.
        permission: the setting that allows it, where the way itself is protected.

    Raises:
        ValueError: with the variables and what to do.
    """
    in_clear = [(name, urlsplit(url)) for name, url in urls.items() if url and not is_protected(url)]
    if in_clear:
        named = ", ".join(f"{name} ({parts.scheme}://{parts.hostname})" for name, parts in in_clear)
        raise ValueError(
            f"{named} would carry logins in clear; use amqps:// and https://, or set {permission}=true where "
            "the way is protected otherwise (a VPN, a network of containers)"
        )
