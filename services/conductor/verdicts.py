"""What becomes of a guest that a host reports.

Owns: the rule "a guest is destroyed only when the truth says its generation is over" as a pure
function. May not: do I/O. Crash story: none; asking again gives the answer of that moment.
"""

from __future__ import annotations

from common.db.stores.services import GuestTruth
from common.messages.compute import GuestReport, Verdict


def verdict(guest: GuestReport, truth: GuestTruth | None, host: str) -> Verdict:
    """First rule that fits a guest:
    1. nobody knows the server: unknown, leave it to a person;
    2. the server is deleted: destroy;
    3. it is the server's present guest: keep, but hold while its evacuation is undecided;
    4. it is what the running workflow makes, or what a move may come back to: it stays as it is, so
       one that is held (it waits for the commit that makes it the server's) stays held;
    5. it is the newest ever promised, and to this host, and no workflow is left to say so (a
       rebuild whose answer was lost): keep;
    6. otherwise its generation is over: destroy.

    A pending command is a question of its own: keep, it may be carried out, when it is of the
    workflow that owns the server and about a guest of the rules 3 or 4; destroy, when that
    generation is over; hold otherwise: the guest is wanted, but not what this command does to it.
    """
    if truth is None:
        return "unknown"
    if truth.deleted:
        return "destroy"
    here = truth.host == host
    owned = truth.workflow_id is not None
    newest = guest.generation == truth.last_generation
    present = here and guest.generation == truth.generation
    left = guest.generation in truth.kept_generations
    if guest.pending:
        if owned and guest.workflow_id == truth.workflow_id:
            return "keep" if newest or present or left else "destroy"
        return "hold" if present or left or (newest and (owned or here)) else "destroy"
    if present:
        return "hold" if "evacuation:source" in truth.moves else "keep"
    if left or (owned and newest):
        return "hold" if guest.held else "keep"
    if here and newest:
        return "keep"
    return "destroy"
