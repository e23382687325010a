"""Times as the Compute API writes them.

Owns: the form without a zone; other times are left to http/responses.py. May not: read a clock.
Crash story: none.
"""

from __future__ import annotations

import datetime as dt


def zoneless(moment: dt.datetime | None) -> str | None:
    """ "2026-11-21T03:00:00.000000": UTC without saying so, as services, key pairs and instance
    actions have it."""
    return None if moment is None else moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
