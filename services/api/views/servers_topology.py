"""How the processors and the memory of a server are shown.

Owns: the form. May not: say on which nodes of its host they are: nothing knows that.
Crash story: none.
"""

from __future__ import annotations

from typing import Any

from common.domain.numa import Cell, Topology


def topology(found: Topology) -> dict[str, Any]:
    return {"nodes": [_node(cell) for cell in found.cells], "pagesize_kb": found.page_size_kib}


def _node(cell: Cell) -> dict[str, Any]:
    return {
        "memory_mb": cell.memory_mib,
        "siblings": [list(core) for core in cell.siblings],
        "vcpu_set": list(cell.cpus),
    }
