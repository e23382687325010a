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
    3. the workflow that owns the server asks for a guest that may be: keep, it decides;
    4. it is the server's present guest: keep, but hold while its evacuation is undecided;
    5. it is the guest a move to this host is making: keep;
    6. a workflow is running and it is newer than the truth, or left here by a move that may come
       back to it: the workflow decides, so one that is held stays held;
    7. it is the newest ever promised, and to this host (a rebuild whose answer was lost): keep;
    8. otherwise its generation is over: destroy.
    """
    if truth is None:
        return "unknown"
    if truth.deleted:
        return "destroy"
    here = truth.host == host
    newest = guest.generation == truth.last_generation
    present = guest.generation == truth.generation
    left = guest.generation in truth.kept_generations
    owned = truth.workflow_id is not None
    if guest.pending and owned and guest.workflow_id == truth.workflow_id:
        return "keep" if newest or present or left else "destroy"
    if here and present:
        return "hold" if "evacuation:source" in truth.moves else "keep"
    if newest and any(move.endswith(":dest") for move in truth.moves):
        return "keep"
    if left or (owned and guest.generation > truth.generation and not guest.pending):
        return "hold" if guest.held else "keep"
    if here and newest and not guest.pending:
        return "keep"
    return "destroy"
