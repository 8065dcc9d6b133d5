"""The forms of a content: compressed once after it was stored, kept beside it, served to those who can read them.

Nothing is ever compressed on the fly, so a byte of a form stays where it is and a transfer is resumed at it.
"""

from router.content.encoding.encoder import Encoder
from router.content.encoding.forms import StoredForm

__all__ = ["Encoder", "StoredForm"]
