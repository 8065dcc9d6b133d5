"""While another thread hashes a large file, a submission waits for it in a thread and everything else goes on."""

import asyncio
import hashlib
import threading
from pathlib import Path

from schemas.attachment import Attachment
from schemas.descriptor import full_descriptor
from schemas.dispatch import Submission
from schemas.ids import new_id
from support.api_server import letter, running_api

SMALL = b"a small file"
SHA256 = hashlib.sha256(SMALL).hexdigest()


async def test_a_file_that_rides_inside_is_read_in_a_thread(tmp_path: Path) -> None:
    file = Attachment(name="a.txt", media_type="text/plain", size=len(SMALL), sha256=SHA256)
    submission = Submission.model_validate(letter(attachments=[file.model_dump()]))
    async with running_api(tmp_path) as api:
        await api.content.put(SMALL)
        api.content._verdicts._right.clear()  # changed since it was hashed
        hashed, loop_goes_on, freed = threading.Event(), threading.Event(), []

        def hash_another() -> None:
            with api.content._hashing[int(SHA256[:2], 16) % len(api.content._hashing)]:
                hashed.set()
                freed.append(loop_goes_on.wait(10))

        other = asyncio.create_task(asyncio.to_thread(hash_another))
        await asyncio.to_thread(hashed.wait)
        encode = api.services.intake._encode  # type: ignore[attr-defined] # the real one
        encoding = asyncio.create_task(encode(full_descriptor(new_id(), submission), api.content))
        asyncio.get_running_loop().call_later(0.01, loop_goes_on.set)
        body, _ = await encoding
        await other
    assert freed == [True], "the loop stood while another file was hashed"
    assert b"inline" in body
