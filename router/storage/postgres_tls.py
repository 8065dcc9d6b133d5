"""TLS to a PostgreSQL: what libpq is told of certificates, and the reason when it trusts none.

libpq makes its connections itself, from files, and says of a certificate that it does not trust no more than that. So
the same handshake is made once more by our own hands, which find out why.
"""

import re
import socket
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg

from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles, TlsFilesError
from router.tls.troubles import TlsTrouble, trouble_of

_SSL_REQUEST = struct.pack(">II", 8, 80877103)
"""Asks the server to go on by TLS (PostgreSQL's frontend/backend protocol, SSLRequest)."""
_WITHIN = 5.0
_SAID = "certificate verify failed"
_WHERE = re.compile(r'connection to server at "(?P<name>[^"]+)"(?: \((?P<address>[^)]+)\))?, port (?P<port>\d+)')


def with_certificates(url: str, files: TlsFiles) -> str:
    """A ledger's URL with what libpq needs to know whom to trust and what to show, where it does not say so itself.

    >>> with_certificates("postgresql://db/congvan?sslmode=verify-full", TlsFiles(Path("/etc/ca.pem")))
    'postgresql://db/congvan?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem'
    """
    if not url.startswith("postgres"):
        return url
    parts = urlsplit(url)
    said = parse_qsl(parts.query, keep_blank_values=True)
    named = {"sslrootcert": files.authorities}
    if files.certificate is not None:
        named |= {"sslcert": files.certificate, "sslkey": files.key or files.certificate}
    known = {name for name, _ in said}
    added = [(name, str(path)) for name, path in named.items() if path is not None and name not in known]
    return parts._replace(query=urlencode([*said, *added])).geturl() if added else url


def explained(error: psycopg.OperationalError, cparams: Mapping[str, Any]) -> psycopg.OperationalError:
    """An error of a connection, with the reason why the server's certificate is not trusted where that is what it says.

    Args:
        error: of libpq.
        cparams: what it was told.
    """
    place = _WHERE.search(str(error))
    if place is None or _SAID not in str(error):
        return error
    trouble = _look(place["name"], place["address"] or place["name"], int(place["port"]), _files_of(cparams))
    if trouble is None:
        return error
    told = psycopg.OperationalError(f"{error}: {trouble.text}")
    told.tls_trouble = trouble  # type: ignore[attr-defined]
    return told


def _files_of(cparams: Mapping[str, Any]) -> TlsFiles:
    root = cparams.get("sslrootcert")
    return TlsFiles(Path(root) if root and root != "system" else None)


def _look(name: str, address: str, port: int, files: TlsFiles) -> TlsTrouble | None:
    """Make the handshake once more; None: it tells nothing, or succeeds by now."""
    try:
        with socket.create_connection((address, port), timeout=_WITHIN) as made:
            made.sendall(_SSL_REQUEST)
            if made.recv(1) != b"S":
                return None
            ClientContext(files, resumes=False).wrap_socket(made, server_hostname=name).close()
    except (ssl.SSLError, OSError, TlsFilesError) as error:
        return trouble_of(error, place=f"{name}:{port}")
    return None
