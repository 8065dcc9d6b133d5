"""The OpenAPI document: what FastAPI finds in the code, with what others' generators and readers need beside it."""

from router.api.document.making import complete, operation_id

__all__ = ["complete", "operation_id"]
