"""Why libpq does not trust a PostgreSQL's certificate.

It makes its connections itself and says of a certificate that it does not trust no more than that. So
the same handshake is made once more by our own hands, which find out why.
"""

import re
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles, TlsFilesError
from router.tls.peers import ASK_FOR_TLS
from router.tls.troubles import TlsTrouble, trouble_of

_WITHIN = 5.0
_SAID = "certificate verify failed"
_WHERE = re.compile(r'connection to server at "(?P<name>[^"]+)"(?: \((?P<address>[^)]+)\))?, port (?P<port>\d+)')


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
            made.sendall(ASK_FOR_TLS)
            if made.recv(1) != b"S":
                return None
            ClientContext(files, resumes=False).wrap_socket(made, server_hostname=name).close()
    except (ssl.SSLError, OSError, TlsFilesError) as error:
        return trouble_of(error, place=f"{name}:{port}")
    return None
