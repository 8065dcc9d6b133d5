"""The one way in: :class:`Intake` accepts a submission, whichever door it comes by (HTTP, AMQP, the command)."""

from router.intake.service import Intake

__all__ = ["Intake"]
