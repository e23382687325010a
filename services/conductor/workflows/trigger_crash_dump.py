"""Send the guest a non-maskable interrupt so that it dumps its memory; no state changes."""

from __future__ import annotations

from services.conductor.workflows.one_command import one_command

TRIGGER_CRASH_DUMP = one_command(
    "trigger_crash_dump",
    event="compute_trigger_crash_dump",
    verb="inject_nmi",
    done=lambda _context, _reply: {},
)
