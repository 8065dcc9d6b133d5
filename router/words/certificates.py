"""What certificates are called, for people."""

from router.pages.language import N_

CERTIFICATES = {
    "client": N_("Certificate of the gateway"),
    "origin": N_("Certificate of the web API, as the gateway sees it"),
    "broker": N_("Certificate of the broker"),
    "web": N_("Certificate of the web API"),
    "management": N_("Certificate of the broker's management API"),
    "ledger": N_("Certificate of the ledger's database"),
    "authority": N_("Certificate of the issuing authority"),
}
"""By what gateways and the router call them."""


def certificate(which: str) -> str:
    """What a certificate is called; a gateway of a later version may see another kind."""
    return CERTIFICATES.get(which, which)
