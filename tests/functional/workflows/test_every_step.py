"""Three tests over every step of every workflow.

- fail there, before or after the step has had its effect: it unwinds;
- the conductor dies there, before or after: another one resumes;
- the step is done twice; and every undo is done twice.

After each, claims, ledgers, ports and guests must agree, and the fault must have happened.
Everything is real: PostgreSQL, HTTP neighbours, agents with simulated guests.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from common.auth.sealing import seal
from common.db.stores import migrations, server_actions
from common.db.stores.server_actions import MigrationStart, Requester
from common.domain.actions import (
    ATTACH_INTERFACE,
    CHANGE_PASSWORD,
    CONFIRM_RESIZE,
    CRASH_DUMP,
    CREATE_BACKUP,
    CREATE_IMAGE,
    DELETE,
    DETACH_INTERFACE,
    EXTEND_VOLUME,
    LIVE_MIGRATE,
    MIGRATE,
    PAUSE,
    REBOOT_HARD,
    REBUILD,
    RESCUE,
    RESIZE,
    RESTORE,
    RESUME,
    REVERT_RESIZE,
    SHELVE,
    SHELVE_OFFLOAD,
    START,
    STOP,
    SUSPEND,
    UNPAUSE,
    UNRESCUE,
    UNSHELVE,
    Action,
)
from common.domain.guest_data.secrets import GuestSecrets, InjectedFile
from common.domain.states import TaskState
from common.errors import Conflict
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step, StepFunction
from services.conductor.workflows import DEFINITIONS
from tests.support.cluster import Cluster, running_cluster
from tests.support.snapshots import ask_for_snapshot, snapshot_under_way
from tests.support.volumes import MARK
from tests.support.wait import wait_for

SECRETS = GuestSecrets("s3cret", (InjectedFile("/etc/motd", b"hi"),))
WHEN = ["before", "after"]


class Injected(Conflict):
    """A failure that no workflow knows how to get around."""

    code = "injected"


class Fault:
    """Replaces the functions of one step; counts how often it was reached."""

    def __init__(self) -> None:
        self.fired = 0

    def definitions(self, kind: str, **replaced: Callable[[Step], Step]) -> dict[str, Definition]:
        """DEFINITIONS with the named steps of `kind` replaced."""
        definition = DEFINITIONS[kind]
        steps = tuple(
            replaced[step.name](step) if step.name in replaced else step
            for step in definition.steps
        )
        return {**DEFINITIONS, kind: dataclasses.replace(definition, steps=steps)}

    def failing(self, when: str) -> Callable[[Step], Step]:
        def wrap(step: Step) -> Step:
            async def do(context: Context) -> None:
                if when == "after":
                    await step.do(context)
                self.fired += 1
                raise Injected("injected here")

            return dataclasses.replace(step, do=do)

        return wrap

    def dying(self, when: str, die: Callable[[], Awaitable[None]]) -> Callable[[Step], Step]:
        def wrap(step: Step) -> Step:
            async def do(context: Context) -> None:
                if when == "after":
                    await step.do(context)
                self.fired += 1
                await die()

            return dataclasses.replace(step, do=do)

        return wrap

    def twice(self, function: StepFunction) -> StepFunction:
        async def again(context: Context) -> None:
            before = copy.deepcopy(context.changes)
            await function(context)
            self.fired += 1
            context.resumed = True
            context.changes = before
            await function(context)

        return again


@pytest.fixture(scope="module")
async def cluster(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    from tests.support.postgres import _named, execute

    await execute(postgres_server, "drop database if exists every_step with (force)")
    await execute(postgres_server, f"create database every_step template {template_database}")
    scratch: Path = tmp_path_factory.mktemp("cluster")
    async with running_cluster(_named(postgres_server, "every_step"), scratch) as running:
        yield running


async def replace_conductor(
    cluster: Cluster, definitions: dict[str, Definition], **settings: Any
) -> None:
    if "conductor" in cluster.members:
        await cluster.stop_member("conductor")
    await cluster.start_conductor(definitions=definitions, conductor=settings)


Disks = Callable[[Cluster], Awaitable[dict[str, Any]]]
"""Fields of a request that makes a server."""


async def data_volumes(cluster: Cluster) -> dict[str, Any]:
    """A volume of the user's and one that the build makes."""
    image, brought = await cluster.image_id(), await cluster.volumes.make()
    local = {"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0}
    made = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
    return {
        "block_device_mapping_v2": [
            local,
            {"source_type": "volume", "uuid": brought},
            {**made, "delete_on_termination": True},
        ]
    }


async def root_volume(cluster: Cluster) -> dict[str, Any]:
    """It boots from a volume that the build makes."""
    root = {
        "source_type": "image",
        "destination_type": "volume",
        "uuid": await cluster.image_id(),
        "boot_index": 0,
        "volume_size": 1,
        "delete_on_termination": True,
    }
    return {"imageRef": "", "block_device_mapping_v2": [root]}


@dataclasses.dataclass(frozen=True)
class Case:
    """How a workflow is brought about and what it leads to."""

    begins: Callable[[Cluster, str], Awaitable[None]]
    done: str | None
    """Status afterwards; None: the server is gone."""
    undone: str
    """Status when a step fails for good."""
    after: tuple[str, ...] = ()
    """Kinds that bring a new server to where this one starts."""
    untouched: str | None = None
    """Status when the first step fails before it has had an effect, where that differs."""
    records: str | None = None
    """Name of the instance action where it is not the kind."""
    cleans_up: tuple[str, ...] = ()
    """Steps after the pivot: when one fails the workflow has succeeded all the same."""
    spoils: tuple[str, ...] = ()
    """Steps after the pivot without which a later one cannot do its work: the server is in error,
    for reasons of its own."""
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Of the conductor."""
    disks: Disks | None = None
    """What the server has beside the disk of its image; None: nothing."""
    kind: str | None = None
    """Of the workflow, where it is not the name of the case."""


def action(row: Action, **state: Any) -> Callable[[Cluster, str], Awaitable[None]]:
    """Begin as a request would."""

    async def begin(cluster: Cluster, server_id: str) -> None:
        made = await made_state(cluster, server_id, state)
        migration = None
        if kind := made.pop("migration", None):
            migration = MigrationStart(UUID(made["migration_uuid"]), kind)
        began = await server_actions.begin_action(
            cluster.pool,
            UUID(server_id),
            row,
            state=made,
            requester=Requester(f"req-{uuid4()}", "user", "project"),
            deadline_s=600,
            migration=migration,
        )
        assert began is not None

    return begin


async def made_state(cluster: Cluster, server_id: str, state: dict[str, Any]) -> dict[str, Any]:
    """Values that only the moment knows."""
    made = dict(state)
    row = await cluster.row(server_id)
    if "migration" in state:
        made["migration_uuid"] = str(uuid4())
    if made.pop("bigger", False):
        made["flavor"] = {**row["flavor"], "id": "2", "name": "m1.small", "memory_mib": 2048}
    if made.pop("unsettled", False):
        (left,) = await migrations.unsettled(cluster.pool, UUID(server_id))
        made.update(
            migration_uuid=str(left.uuid),
            source=left.source,
            source_node=left.source_node,
            source_generation=left.source_generation,
        )
    if made.pop("network", False):
        made["net_id"] = await cluster.network_id()
    if made.pop("first_port", False):
        made["port_id"] = row["network_info"][0]["port_id"]
    if made.pop("disk", False):
        made["devices"] = [str(await cluster.pool.fetchval(ANY_DISK, server_id))]
    if made.pop("reimaged", False):
        made["reimage"] = await cluster.image_id()
    if made.pop("image", False):
        made["image_id"] = await cluster.queued_image(server_id, "snap")
    if "password" in made:
        key = cluster.settings().sealing_key
        made["sealed_password"] = seal(made.pop("password"), key)
    if made.pop("secrets", False):
        key = cluster.settings().sealing_key
        made["sealed_secrets"] = seal(SECRETS.to_text(), key)
    return made


async def begin_delete(cluster: Cluster, server_id: str) -> None:
    status, body = await cluster.request("DELETE", f"/servers/{server_id}")
    assert status == 204, body


async def begin_evacuation(cluster: Cluster, server_id: str) -> None:
    server = await cluster.server(server_id)
    assert server is not None
    host = server["OS-EXT-SRV-ATTR:host"]
    await cluster.kill(host)
    await force_down(cluster, host)
    await cluster.action(server_id, {"evacuate": {"adminPass": "s3cret"}}, 200)


async def begin_attach(cluster: Cluster, server_id: str) -> None:
    body = {"volumeAttachment": {"volumeId": await cluster.volumes.make()}}
    path = f"/servers/{server_id}/os-volume_attachments"
    status, answer = await cluster.request("POST", path, body)
    assert status == 200, answer


async def attached_volume(cluster: Cluster, server_id: str) -> str:
    """The path of the server's one volume."""
    path = f"/servers/{server_id}/os-volume_attachments"
    _, body = await cluster.request("GET", path)
    (attachment,) = body["volumeAttachments"]
    return f"{path}/{attachment['volumeId']}"


async def begin_detach(cluster: Cluster, server_id: str) -> None:
    status, answer = await cluster.request("DELETE", await attached_volume(cluster, server_id))
    assert status == 202, answer


async def begin_swap(cluster: Cluster, server_id: str) -> None:
    body = {"volumeAttachment": {"volumeId": await cluster.volumes.make()}}
    path = await attached_volume(cluster, server_id)
    status, answer = await cluster.request("PUT", path, body)
    assert status == 202, answer


async def begin_image_of_volumes(cluster: Cluster, server_id: str) -> None:
    await cluster.action(server_id, {"createImage": {"name": "of volumes"}})


async def begin_nothing(_cluster: Cluster, _server_id: str) -> None:
    """A build begins with the request that creates the server."""


def begin_assisted(verb: str, status: str) -> Callable[[Cluster, str], Awaitable[None]]:
    """As the volume service asks, whose snapshot is in `status`."""

    async def begin(cluster: Cluster, server_id: str) -> None:
        volume_id, snapshot_id = await snapshot_under_way(cluster, server_id, status)
        await ask_for_snapshot(cluster, verb, volume_id, snapshot_id)

    return begin


SOFT_DELETE = replace(DELETE, starts=TaskState.SOFT_DELETING, workflow="soft_delete")
RECLAIM_LATER = {"reclaim_instance_interval_s": 3600}
KEEP_SHELVED = {"shelved_offload_time_s": -1}

ANY_DISK = "select uuid from block_devices where server_uuid = $1::uuid"

CASES: dict[str, Case] = {
    "build": Case(begin_nothing, "ACTIVE", "ERROR", records="create", disks=data_volumes),
    "delete": Case(begin_delete, None, "ERROR", cleans_up=("release",), disks=data_volumes),
    "soft_delete": Case(
        action(SOFT_DELETE), "SOFT_DELETED", "ACTIVE", records="delete", settings=RECLAIM_LATER
    ),
    "restore": Case(action(RESTORE), "ACTIVE", "ERROR", ("soft_delete",), settings=RECLAIM_LATER),
    "stop": Case(action(STOP), "SHUTOFF", "ACTIVE"),
    "start": Case(action(START), "ACTIVE", "SHUTOFF", ("stop",)),
    "reboot": Case(action(REBOOT_HARD, type="HARD"), "ACTIVE", "ACTIVE"),
    "pause": Case(action(PAUSE), "PAUSED", "ACTIVE"),
    "unpause": Case(action(UNPAUSE), "ACTIVE", "PAUSED", ("pause",)),
    "suspend": Case(action(SUSPEND), "SUSPENDED", "ACTIVE"),
    "resume": Case(action(RESUME), "ACTIVE", "ERROR", ("suspend",)),
    "rebuild": Case(action(REBUILD, secrets=True), "ACTIVE", "ERROR"),
    "rebuild_on_volume": Case(
        action(REBUILD, reimaged=True),
        "ACTIVE",
        "ERROR",
        records="rebuild",
        disks=root_volume,
        kind="rebuild",
    ),
    "rescue": Case(action(RESCUE, secrets=True), "RESCUE", "ERROR"),
    "unrescue": Case(action(UNRESCUE), "ACTIVE", "ERROR", ("rescue",)),
    "change_password": Case(
        action(CHANGE_PASSWORD, password="s3cret"), "ACTIVE", "ERROR", records="changePassword"
    ),
    "trigger_crash_dump": Case(action(CRASH_DUMP), "ACTIVE", "ACTIVE"),
    "create_image": Case(
        action(CREATE_IMAGE, image=True), "ACTIVE", "ACTIVE", records="createImage"
    ),
    "create_backup": Case(
        action(CREATE_BACKUP, image=True, backup_type="daily", rotation=1),
        "ACTIVE",
        "ACTIVE",
        records="createBackup",
        cleans_up=("rotate",),
    ),
    "attach_interface": Case(action(ATTACH_INTERFACE, network=True), "ACTIVE", "ACTIVE"),
    "detach_interface": Case(
        action(DETACH_INTERFACE, first_port=True), "ACTIVE", "ACTIVE", cleans_up=("release",)
    ),
    "snapshot_volume": Case(
        begin_assisted("POST", "creating"),
        "ACTIVE",
        "ACTIVE",
        records="volume_snapshot_create",
        cleans_up=("report",),
    ),
    "delete_volume_snapshot": Case(
        begin_assisted("DELETE", "deleting"),
        "ACTIVE",
        "ACTIVE",
        records="volume_snapshot_delete",
        cleans_up=("report",),
    ),
    "attach_volume": Case(begin_attach, "ACTIVE", "ACTIVE"),
    "snapshot_volumes": Case(
        begin_image_of_volumes, "ACTIVE", "ACTIVE", records="createImage", disks=root_volume
    ),
    "detach_volume": Case(
        begin_detach, "ACTIVE", "ACTIVE", ("attach_volume",), cleans_up=("release",)
    ),
    "swap_volume": Case(begin_swap, "ACTIVE", "ACTIVE", ("attach_volume",), cleans_up=("release",)),
    "extend_volume": Case(action(EXTEND_VOLUME, disk=True), "ACTIVE", "ACTIVE", ("attach_volume",)),
    "shelve": Case(
        action(SHELVE),
        "SHELVED_OFFLOADED",
        "ACTIVE",
        cleans_up=("vacate", "leave", "let_volumes_go"),
        disks=data_volumes,
    ),
    "shelve_on_volume": Case(
        action(SHELVE),
        "SHELVED_OFFLOADED",
        "ACTIVE",
        records="shelve",
        cleans_up=("vacate", "leave", "let_volumes_go"),
        disks=root_volume,
        kind="shelve",
    ),
    "shelve_offload": Case(
        action(SHELVE_OFFLOAD),
        "SHELVED_OFFLOADED",
        "SHELVED",
        ("shelve",),
        records="shelveOffload",
        cleans_up=("vacate", "leave", "let_volumes_go"),
        settings=KEEP_SHELVED,
        disks=data_volumes,
    ),
    "unshelve": Case(
        action(UNSHELVE),
        "ACTIVE",
        "SHELVED_OFFLOADED",
        ("shelve",),
        cleans_up=("forget", "let_volumes_go"),
        disks=data_volumes,
    ),
    "resize": Case(
        action(RESIZE, bigger=True, migration="resize"),
        "VERIFY_RESIZE",
        "ERROR",
        cleans_up=("let_volumes_go",),
        disks=data_volumes,
    ),
    "migrate": Case(action(MIGRATE, migration="migration"), "VERIFY_RESIZE", "ERROR"),
    "confirm_resize": Case(
        action(CONFIRM_RESIZE, unsettled=True),
        "ACTIVE",
        "ERROR",
        ("resize",),
        records="confirmResize",
        cleans_up=("let_go",),
    ),
    "revert_resize": Case(
        action(REVERT_RESIZE, unsettled=True),
        "ACTIVE",
        "ERROR",
        ("resize",),
        untouched="VERIFY_RESIZE",
        records="revertResize",
        cleans_up=("network", "let_volumes_go"),
        spoils=("volumes",),
        disks=data_volumes,
    ),
    "live_migrate": Case(
        action(LIVE_MIGRATE, migration="live-migration"),
        "ACTIVE",
        "ACTIVE",
        records="live-migration",
        cleans_up=("network", "clean", "let_volumes_go"),
        disks=data_volumes,
    ),
    "evacuate": Case(
        begin_evacuation, "ACTIVE", "ERROR", cleans_up=("let_volumes_go",), disks=data_volumes
    ),
}


def kind_of(case: str) -> str:
    return CASES[case].kind or case


_FOR_DISKS = frozenset({"volumes", "let_volumes_go"})
_FOR_ROOT_VOLUMES = frozenset({"free", "reimage"})


def steps_of(case: str) -> list[Step]:
    """Those that the case gets to."""
    disks, definition = CASES[case].disks, DEFINITIONS[kind_of(case)]
    skipped = frozenset() if disks and case != "reboot" else _FOR_DISKS
    skipped |= frozenset() if disks is root_volume else _FOR_ROOT_VOLUMES
    return [step for step in definition.steps if step.name not in skipped]


STEPS = [(case, step.name) for case in sorted(CASES) for step in steps_of(case)]


def test_every_workflow_has_its_case() -> None:
    assert {kind_of(case) for case in CASES} == set(DEFINITIONS)
    reached = {(kind_of(case), step) for case, step in STEPS}
    assert reached >= {
        (kind, step.name) for kind, definition in DEFINITIONS.items()
        for step in definition.steps if kind not in {"migrate", "reboot"}
    }  # fmt: skip


async def prepare(cluster: Cluster, kind: str) -> str | None:
    """A server in the state the workflow starts from; None for build."""
    case = CASES[kind]
    await replace_conductor(cluster, dict(DEFINITIONS), **case.settings)
    if kind_of(kind) == "build":
        return None
    disks = await case.disks(cluster) if case.disks else {}
    server_id = await cluster.create_server(name=f"for-{kind}", config_drive=True, **disks)
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "ACTIVE", server
    for earlier in case.after:
        await CASES[earlier].begins(cluster, server_id)
        await cluster.settled(server_id)
    return server_id


async def force_down(cluster: Cluster, host: str) -> None:
    _, body = await cluster.request("GET", f"/os-services?host={host}&binary=nova-compute")
    service = body["services"][0]["id"]
    status, body = await cluster.request("PUT", f"/os-services/{service}", {"forced_down": True})
    assert status == 200, body


async def trigger(cluster: Cluster, kind: str, server_id: str | None) -> str:
    if server_id is None:
        disks = CASES[kind].disks
        fields = await disks(cluster) if disks else {}
        return await cluster.create_server(name="for-build", config_drive=True, **fields)
    await CASES[kind].begins(cluster, server_id)
    return server_id


@pytest.fixture(autouse=True)
async def nothing_left(cluster: Cluster) -> AsyncIterator[None]:
    """After each test every host comes back, all is sound, every server is deleted and nothing is
    left of it. Also after a failed one, so that it is the only one to fail."""
    yield
    await replace_conductor(cluster, dict(DEFINITIONS))
    for host in cluster.hosts:
        if host not in cluster.members:
            await cluster.start_host(host)
        await force_down_ended(cluster, host)
    _, body = await cluster.request("GET", "/servers?all_tenants=1&soft_deleted=1")
    ids = [server["id"] for server in body["servers"]]
    for server_id in ids:
        await cluster.request("POST", f"/servers/{server_id}/action", {"forceDelete": None})
    for server_id in ids:
        assert await cluster.settled(server_id) is None
    await wait_for(lambda: no_guests(cluster), 20, "every guest to be gone")
    assert not [*cluster.scratch.glob("compute/*/drives/*")], "config drives go with their guests"
    await cluster.assert_sound()
    snapshots = await cluster.volumes.snapshots()
    for snapshot in snapshots:
        await cluster.volumes.call("DELETE", f"/snapshots/{snapshot['id']}")
    for volume in await cluster.volumes.every():
        assert volume["status"] == "available", volume
        if volume["id"] not in {snapshot["volume_id"] for snapshot in snapshots}:
            assert MARK not in volume["metadata"], f"made and left: {volume}"
        await cluster.volumes.call("DELETE", f"/volumes/{volume['id']}")


async def no_guests(cluster: Cluster) -> bool:
    return not await cluster.guests()


async def force_down_ended(cluster: Cluster, host: str) -> None:
    async def up() -> bool:
        _, body = await cluster.request("GET", f"/os-services?host={host}")
        service = next(s for s in body["services"] if s["binary"] == "nova-compute")
        if service["forced_down"]:
            await cluster.request("PUT", f"/os-services/{service['id']}", {"forced_down": False})
        return bool(service["state"] == "up")

    await wait_for(up, 10, f"{host} to be up")


async def check(
    cluster: Cluster, kind: str, server_id: str, expected: str | None, *, error: bool
) -> None:
    """The status is `expected` and the latest instance action says whether it went well."""
    server = await cluster.server(server_id)
    assert (server and server["status"]) == expected, server
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    latest = body["instanceActions"][0]
    assert latest["action"] == (CASES[kind].records or kind), latest
    assert latest["message"] == ("Error" if error else None), latest
    if expected == "ERROR":
        assert server is not None
        assert "injected here" in server["fault"]["message"], server["fault"]


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_fail_and_unwind(cluster: Cluster, kind: str, step: str, when: str) -> None:
    fault = Fault()
    server_id = await prepare(cluster, kind)
    await replace_conductor(
        cluster,
        fault.definitions(kind_of(kind), **{step: fault.failing(when)}),
        **CASES[kind].settings,
    )
    server_id = await trigger(cluster, kind, server_id)
    await cluster.settled(server_id)
    assert fault.fired == 1
    case = CASES[kind]
    expected = case.done if step in (*case.cleans_up, *case.spoils) else case.undone
    if when == "before" and step == DEFINITIONS[kind_of(kind)].steps[0].name and case.untouched:
        expected = case.untouched
    if step in case.spoils and when == "before":
        server = await cluster.server(server_id)
        assert server is not None
        assert server["status"] == "ERROR", server
    else:
        await check(cluster, kind, server_id, expected, error=True)
    if (kind, step) != ("delete", "destroy_guest"):  # the rest is for the next delete, at the end
        await cluster.assert_sound()


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_die_and_resume(cluster: Cluster, kind: str, step: str, when: str) -> None:
    fault = Fault()
    server_id = await prepare(cluster, kind)
    died = asyncio.Event()

    async def die() -> None:
        died.set()
        await asyncio.Event().wait()  # nothing of this run happens any more; kill() cancels it

    await replace_conductor(
        cluster,
        fault.definitions(kind_of(kind), **{step: fault.dying(when, die)}),
        **CASES[kind].settings,
    )
    server_id = await trigger(cluster, kind, server_id)
    await asyncio.wait_for(died.wait(), 10)
    await cluster.kill("conductor")
    await cluster.start_conductor()
    await cluster.settled(server_id)
    assert fault.fired == 1
    await check(cluster, kind, server_id, CASES[kind].done, error=False)
    await cluster.assert_sound()


@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_do_twice(cluster: Cluster, kind: str, step: str) -> None:
    fault = Fault()
    server_id = await prepare(cluster, kind)

    def wrap(s: Step) -> Step:
        return dataclasses.replace(s, do=fault.twice(s.do))

    await replace_conductor(
        cluster, fault.definitions(kind_of(kind), **{step: wrap}), **CASES[kind].settings
    )
    server_id = await trigger(cluster, kind, server_id)
    await cluster.settled(server_id)
    assert fault.fired == 1
    await check(cluster, kind, server_id, CASES[kind].done, error=False)
    await cluster.assert_sound()


@pytest.mark.parametrize(
    "kind", [case for case in sorted(CASES) if any(step.undo for step in steps_of(case))]
)
async def test_undo_twice(cluster: Cluster, kind: str) -> None:
    fault, undone = Fault(), Fault()
    server_id = await prepare(cluster, kind)
    every = steps_of(kind)
    last = [step for step in every if step.undo][-1]

    def wrap(s: Step) -> Step:
        twice = dataclasses.replace(s, undo=undone.twice(s.undo)) if s.undo else s
        return fault.failing("after")(twice) if s.name == last.name else twice

    steps = {step.name: wrap for step in every}
    await replace_conductor(
        cluster, fault.definitions(kind_of(kind), **steps), **CASES[kind].settings
    )
    server_id = await trigger(cluster, kind, server_id)
    await cluster.settled(server_id)
    assert fault.fired == 1
    assert undone.fired == sum(step.undo is not None for step in every)
    await check(cluster, kind, server_id, CASES[kind].undone, error=True)
    await cluster.assert_sound()
