"""One file per workflow; the file name is the kind in table workflows."""

from __future__ import annotations

from services.conductor.engine.definition import Definition
from services.conductor.workflows.build import BUILD
from services.conductor.workflows.delete import DELETE
from services.conductor.workflows.evacuate import EVACUATE
from services.conductor.workflows.reboot import REBOOT
from services.conductor.workflows.start import START
from services.conductor.workflows.stop import STOP

DEFINITIONS: dict[str, Definition] = {
    definition.kind: definition for definition in (BUILD, DELETE, EVACUATE, REBOOT, START, STOP)
}
