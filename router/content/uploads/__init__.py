"""Uploads that may be interrupted: their bytes so far, durable, until all are there and the content store takes over.

``records`` what was announced, ``store`` the files, ``appending`` one request's share of an upload.
"""

from router.content.uploads.appending import Appender
from router.content.uploads.records import Upload, UploadLimits
from router.content.uploads.store import UploadStore

__all__ = ["Appender", "Upload", "UploadLimits", "UploadStore"]
