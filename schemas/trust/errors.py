"""What a proof can lack.

- :class:`ProofError`
    - :class:`NoteError`
    - :class:`CheckpointError`
"""


class ProofError(ValueError):
    """A proof that proves nothing; says what does not fit."""


class NoteError(ProofError):
    """A text that is no signed note, or that nobody who is trusted has signed."""


class CheckpointError(ProofError):
    """A note that is no checkpoint of this log."""
