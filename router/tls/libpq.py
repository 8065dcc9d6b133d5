"""What PostgreSQL's client library is told of certificates, which it reads from files itself."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from router.tls.files import TlsFiles


def with_certificates(url: str, files: TlsFiles) -> str:
    """A ledger's URL with what libpq needs to know whom to trust and what to show, where it does not say so itself.

    >>> from pathlib import Path
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
