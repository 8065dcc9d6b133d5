"""What systems leave in folders by themselves: no person means it to be sent."""

import re

_LITTER = re.compile(
    r"""
    thumbs\.db(:.*)? | ehthumbs(_vista)?\.db | desktop\.ini    # Windows Explorer
    | ~\$.* | ~wrl\d+\.tmp | ~.*\.tmp                          # Office: a document that is open, or was
    | \.ds_store | \._.* | __macosx | \.apdisk                 # macOS
    | \.~lock\..*\#                                            # LibreOffice
    | \.directory | \.fuse_hidden.* | \.nfs[0-9a-f]+           # KDE, FUSE, NFS
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name was left by a system.

    >>> is_litter("Thumbs.db"), is_litter("~$Báo cáo.docx"), is_litter("Báo cáo.docx")
    (True, True, False)
    """
    return _LITTER.fullmatch(name) is not None
