"""Whether a URL's way may carry a login: encrypted, or within this machine."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

_ENCRYPTED = frozenset({"amqps", "https"})
_VERIFIED = frozenset({"verify-full", "verify-ca"})
"""libpq's ``sslmode`` by which the server's certificate is looked at; ``require`` takes any."""


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


def require_protected_ledger(name: str, url: str, permission: str) -> None:
    """Refuse a ledger on another machine whose certificate nobody would look at.

    Args:
        name: the setting's variable.
        url: what stands there; only one of PostgreSQL is looked at.
        permission: the setting that allows it, where the way itself is protected.

    Raises:
        ValueError: with the hosts and what to do.
    """
    if not url.startswith("postgres"):
        return
    parts = urlsplit(url)
    said = parse_qsl(parts.query)
    apart = [host for host in _database_hosts(parts.netloc, said) if not _is_here(host)]
    if apart and not any(key == "sslmode" and value in _VERIFIED for key, value in said):
        raise ValueError(
            f"{name} would carry the login and all documents to {', '.join(apart)} by a way that nobody vouches for; "
            f"add ?sslmode=verify-full to the URL, or set {permission}=true where the way is protected otherwise "
            "(a VPN, a network of containers)"
        )


def _database_hosts(netloc: str, query: list[tuple[str, str]]) -> list[str]:
    """The hosts of a libpq URL, which may be several: before the path, or as parameters."""
    named = [netloc.rpartition("@")[2], *(value for key, value in query if key in {"host", "hostaddr"})]
    return [_without_port(host) for group in named for host in group.split(",") if host]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    return name if name and port.isdecimal() and ":" not in name else host


def _is_here(host: str) -> bool:
    return host.startswith(("/", "@", "%2F", "%2f")) or is_loopback(host)
