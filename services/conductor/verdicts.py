"""What becomes of a guest that a host reports.

Owns: the rule "a guest is destroyed only when the truth says its generation is over" as a pure
function. May not: do I/O. Crash story: none; asking again gives the answer of that moment.
"""

from __future__ import annotations

from common.db.stores.services import GuestTruth
from common.messages.compute import GuestReport, Verdict


def verdict(guest: GuestReport, truth: GuestTruth | None, host: str) -> Verdict:
    """First rule that fits:

    1. nobody knows the server: unknown, leave it to a person;
    2. the server is deleted: destroy;
    3. it is the server's present guest: keep, but hold while a move away from here is undecided;
    4. it is the guest a move to this host is making: keep;
    5. it is the guest a move away from here has left, undecided yet: hold;
    6. it is newer than the truth and a workflow is running: hold, the truth is on its way;
    7. it is the newest ever promised, and to this host (a rebuild whose answer was lost): keep;
    8. otherwise its generation is over: destroy.
    """
    if truth is None:
        return "unknown"
    if truth.deleted:
        return "destroy"
    leaving = "evacuation:source" in truth.moves
    moving_away = any(move.endswith(":source") for move in truth.moves)
    arriving = any(move.endswith(":dest") for move in truth.moves)
    if truth.host == host and guest.generation == truth.generation:
        return "hold" if leaving else "keep"
    if arriving and guest.generation == truth.last_generation:
        return "keep"
    if moving_away and guest.generation in (truth.generation, *truth.kept_generations):
        return "hold"
    if guest.generation > truth.generation and truth.in_progress and not guest.pending:
        return "hold"
    if truth.host == host and guest.generation == truth.last_generation and not guest.pending:
        return "keep"
    return "destroy"
