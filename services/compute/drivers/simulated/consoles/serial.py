"""A guest's terminal over a plain byte stream, as behind a serial port.

Owns: turning what is written into bytes for one listener, and bytes into keys.
May not: remember what nobody listened to; a line that connects late sees where the cursor is.
Crash story: none; the stream ends.
"""

from __future__ import annotations

from services.compute.drivers.optional import Stream
from services.compute.drivers.simulated.consoles.terminal import Terminal

READ_BYTES = 4096
MOST_UNREAD_BYTES = 65_536
"""A serial line waits for nobody: what a listener does not fetch is lost."""


async def serve(stream: Stream, terminal: Terminal) -> None:
    """Until the other side ends."""
    reader, writer = stream

    def say(text: str) -> None:
        if writer.transport.get_write_buffer_size() < MOST_UNREAD_BYTES:
            writer.write(text.replace("\n", "\r\n").encode(errors="replace"))

    say(terminal.line)
    with terminal.watched(say):
        while data := await reader.read(READ_BYTES):
            terminal.type(data.decode("latin-1"))
