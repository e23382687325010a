"""POST /servers, in four stages; none goes back to an earlier one.

    asked     the body, typed: what can be read and refused without asking anybody
    found     what it names, as the database and the neighbours know it
    planned   refused for what was found, or everything that is to be written
    written   servers, actions and workflows in one transaction; conductors are woken

A stage of more than one subject has a file for each (`asked_networks.py`).
Owns: the order of the stages. May not: build anything.
Crash story: before the commit nothing has happened; after it any conductor finds the workflows.
"""

from __future__ import annotations

from services.api.request import Request
from services.api.servers.creating import asked, found, planned, written
from services.api.servers.creating.written import Created


async def create(request: Request) -> Created:
    """Check everything, then write; raises the kind of refusal that fits."""
    wanted = asked.read(request)
    plan = planned.plan(wanted, await found.look_up(request, wanted))
    return await written.write(request, plan)
