"""What stands before the router where the line is encrypted: TLS as nginx serves it, in records of 16 kB.

``python front.py PORT TARGET_PORT CHAIN KEY``. A record can be read when all of it has come: on a line of 33.6 kbit/s
that is every four seconds. What the router sends is taken at once and kept here, as nginx's proxy buffers do.
"""

import asyncio
import contextlib
import ssl
import sys

RECORD = 16 * 1024
"""nginx's ``ssl_buffer_size``, and the most that a record may hold."""
LINE_SECONDS = 3600.0
"""The longest that what is kept here may take over the line after the router has ended its side, as nginx lets it:
asyncio by itself would cut it off after thirty seconds."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - in a namespace of our own


async def serve(port: int, target: int, chain: str, key: str) -> None:
    """Until killed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target, limit=RECORD)
        ways = {
            asyncio.create_task(pump(reader, far_writer, kept=False)),
            asyncio.create_task(pump(far_reader, writer, kept=True)),
        }
        _, others = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in others:
            way.cancel()
        for end in (writer, far_writer):
            end.close()

    server = await asyncio.start_server(accept, EVERYWHERE, port, ssl=context, ssl_shutdown_timeout=LINE_SECONDS)
    print("listens", flush=True)
    await server.serve_forever()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, kept: bool) -> None:
    """One direction; what is kept waits here for the line, and what is not where it comes from."""
    with contextlib.suppress(OSError):  # the line went
        while data := await reader.read(RECORD):
            writer.write(data)
            if not kept:
                await writer.drain()
        await writer.drain()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
