"""One file per workflow; the file name is the kind in table workflows."""

from __future__ import annotations

from services.conductor.engine.definition import Definition
from services.conductor.workflows.attach_interface import ATTACH_INTERFACE
from services.conductor.workflows.attach_volume import ATTACH_VOLUME
from services.conductor.workflows.build import BUILD
from services.conductor.workflows.change_password import CHANGE_PASSWORD
from services.conductor.workflows.confirm_resize import CONFIRM_RESIZE
from services.conductor.workflows.create_backup import CREATE_BACKUP
from services.conductor.workflows.create_image import CREATE_IMAGE
from services.conductor.workflows.delete import DELETE
from services.conductor.workflows.delete_volume_snapshot import DELETE_VOLUME_SNAPSHOT
from services.conductor.workflows.detach_interface import DETACH_INTERFACE
from services.conductor.workflows.detach_volume import DETACH_VOLUME
from services.conductor.workflows.evacuate import EVACUATE
from services.conductor.workflows.extend_volume import EXTEND_VOLUME
from services.conductor.workflows.live_migrate import LIVE_MIGRATE
from services.conductor.workflows.migrate import MIGRATE
from services.conductor.workflows.pause import PAUSE
from services.conductor.workflows.reboot import REBOOT
from services.conductor.workflows.rebuild import REBUILD
from services.conductor.workflows.rescue import RESCUE
from services.conductor.workflows.resize import RESIZE
from services.conductor.workflows.restore import RESTORE
from services.conductor.workflows.resume import RESUME
from services.conductor.workflows.revert_resize import REVERT_RESIZE
from services.conductor.workflows.shelve import SHELVE
from services.conductor.workflows.shelve_offload import SHELVE_OFFLOAD
from services.conductor.workflows.snapshot_volume import SNAPSHOT_VOLUME
from services.conductor.workflows.snapshot_volumes import SNAPSHOT_VOLUMES
from services.conductor.workflows.soft_delete import SOFT_DELETE
from services.conductor.workflows.start import START
from services.conductor.workflows.stop import STOP
from services.conductor.workflows.suspend import SUSPEND
from services.conductor.workflows.swap_volume import SWAP_VOLUME
from services.conductor.workflows.trigger_crash_dump import TRIGGER_CRASH_DUMP
from services.conductor.workflows.unpause import UNPAUSE
from services.conductor.workflows.unrescue import UNRESCUE
from services.conductor.workflows.unshelve import UNSHELVE

DEFINITIONS: dict[str, Definition] = {
    definition.kind: definition
    for definition in (
        ATTACH_VOLUME,
        DETACH_VOLUME,
        EXTEND_VOLUME,
        SWAP_VOLUME,
        SNAPSHOT_VOLUME,
        DELETE_VOLUME_SNAPSHOT,
        ATTACH_INTERFACE,
        BUILD,
        CHANGE_PASSWORD,
        CONFIRM_RESIZE,
        CREATE_BACKUP,
        CREATE_IMAGE,
        DELETE,
        DETACH_INTERFACE,
        EVACUATE,
        LIVE_MIGRATE,
        MIGRATE,
        PAUSE,
        REBOOT,
        REBUILD,
        RESCUE,
        RESIZE,
        RESTORE,
        RESUME,
        REVERT_RESIZE,
        SHELVE,
        SHELVE_OFFLOAD,
        SNAPSHOT_VOLUMES,
        SOFT_DELETE,
        START,
        STOP,
        SUSPEND,
        TRIGGER_CRASH_DUMP,
        UNPAUSE,
        UNRESCUE,
        UNSHELVE,
    )
}
