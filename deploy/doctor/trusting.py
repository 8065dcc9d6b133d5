"""How a check connects: trusting whom the program trusts that it looks after, with sessions of nobody before."""

import aiohttp

from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles


def trusting(files: TlsFiles) -> aiohttp.TCPConnector:
    """The connections of one check over HTTP."""
    return aiohttp.TCPConnector(ssl=ClientContext(files, resumes=False))
