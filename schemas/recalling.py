"""How a dispatch is called back, by whomever: which can be, and the dispatch that does it."""

from schemas.dispatch import UNNUMBERED, Kind, Submission, Urgency, subject_on

NOT_RECALLED = "is a recall itself; send the document again instead"
"""Why a recall is not called back."""


def is_recallable(kind: Kind) -> bool:
    """Whether a dispatch of a kind can be called back: all but recalls."""
    return kind is not Kind.RECALL


def recall_of(
    dispatch_id: str,
    letter: Submission,
    *,
    reason: str = "",
    notation: str = "",
    max_urgency: int = int(Urgency.EXPRESS),
) -> Submission:
    """The dispatch that recalls another from all that it was addressed to.

    It travels express, so that it overtakes what it recalls where that is still on its way, and is as secret as that.
    The reason is its urgent text: the unit's people read it before they answer.

    Args:
        dispatch_id: what is recalled.
        letter: the same, as it was handed in.
        reason: at most 2,048 bytes of UTF-8.
        notation: of the recall itself; empty: it has none.
        max_urgency: the highest that its sender may use.
    """
    urgency = min(max(letter.urgency, Urgency.VERY_URGENT), Urgency.EXPRESS, Urgency(max_urgency))
    return Submission(
        kind=Kind.RECALL,
        notation=notation or UNNUMBERED,
        subject=subject_on("Thu hồi", letter),
        issuer=letter.issuer,
        signer=letter.signer,
        urgency=urgency,
        secrecy=letter.secrecy,
        refers_to=(dispatch_id,),
        flash_text=reason,
        addressees=letter.addressees,
    )
