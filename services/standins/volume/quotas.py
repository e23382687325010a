"""Quotas per project, and what of them is used.

Owns: limits, the one check that every create and extend passes, `/v3/limits` and quota sets.
May not: count by itself; the documents are counted. Crash story: limits are documents; use is
derived, so it cannot drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.standins.store import Doc
from services.standins.volume.model import Model
from services.standins.volume.query import truth
from services.standins.volume.routing import Operation
from services.standins.web import Call, Fault, Reply

DEFAULTS = {
    # Enough for load tests; the compute quota is what limits those.
    "volumes": 1000,
    "snapshots": 1000,
    "gigabytes": 100_000,
    "per_volume_gigabytes": -1,
    "backups": 10,
    "backup_gigabytes": 1000,
    "groups": 10,
}
PER_TYPE = ("volumes", "snapshots", "gigabytes")
"""Each type has these under `<name>_<type>`; unlimited unless set."""


def limits_of(model: Model, project_id: str) -> dict[str, int]:
    own = model.quotas.get(project_id) or {}
    return {name: own.get(name, default) for name, default in defaults(model).items()}


def defaults(model: Model) -> dict[str, int]:
    own = model.quotas.get("default") or {}
    per_type = {f"{name}_{kind['name']}": -1 for kind in model.types for name in PER_TYPE}
    return {name: own.get(name, default) for name, default in {**DEFAULTS, **per_type}.items()}


def used_by(model: Model, project_id: str) -> dict[str, int]:
    """What a project uses, under the names of the limits; snapshots take up gigabytes too."""
    volumes = model.volumes.find("project", project_id)
    snapshots = model.snapshots.find("project", project_id)
    used = dict.fromkeys(defaults(model), 0)

    def add(doc: Doc, name: str) -> None:
        kind = model.types.get(doc["type_id"] or "")
        for suffix in ("", f"_{kind['name']}") if kind else ("",):
            used[name + suffix] += 1
            used["gigabytes" + suffix] += doc["size"]

    for volume in volumes:
        add(volume, "volumes")
    for snapshot in snapshots:
        add(snapshot, "snapshots")
    return used


def check_quota(
    model: Model,
    project_id: str,
    kind: Doc | None,
    *,
    volumes: int = 0,
    snapshots: int = 0,
    gigabytes: int = 0,
    one_volume: int = 0,
    of_type: bool = False,
) -> None:
    """Whether so much more fits; Fault 413 otherwise. `of_type`: only the limits of the type
    `kind` count, because the project has it all already."""
    limits = limits_of(model, project_id)
    if 0 <= limits["per_volume_gigabytes"] < one_volume:
        raise Fault(
            413,
            f"VolumeSizeExceedsLimit: one volume has at most"
            f" {limits['per_volume_gigabytes']}GB, {one_volume}GB are too many.",
        )
    wanted = {"volumes": volumes, "snapshots": snapshots, "gigabytes": gigabytes}
    if kind is not None:
        per_type = {f"{name}_{kind['name']}": value for name, value in wanted.items()}
        wanted = per_type if of_type else {**wanted, **per_type}
    if all(limits[name] < 0 for name, value in wanted.items() if value):
        return
    used = used_by(model, project_id)
    for name, value in wanted.items():
        if value and 0 <= limits[name] < used[name] + value:
            raise Fault(
                413,
                f"{name.split('_')[0].capitalize()} quota exceeded: {name} has the limit"
                f" {limits[name]}, {used[name]} are used and {value} more were asked for.",
            )


class Quotas:
    def __init__(self, model: Model) -> None:
        self._model = model

    def operations(self) -> Iterable[Operation]:
        yield Operation("GET", "/limits", self.limits)
        one = "/os-quota-sets/{project}"
        yield Operation("GET", one, self.show)
        yield Operation("PUT", one, self.update)
        yield Operation("DELETE", one, self.delete)
        yield Operation("GET", one + "/defaults", self.defaults)
        yield Operation("GET", "/os-quota-class-sets/{class}", self.show_class)
        yield Operation("PUT", "/os-quota-class-sets/{class}", self.update_class)

    def limits(self, call: Call) -> Reply:
        project_id = call.caller.project_id
        if call.caller.is_admin:
            project_id = call.query.get("project_id", project_id)
        limits, used = limits_of(self._model, project_id), used_by(self._model, project_id)
        absolute = {
            "maxTotalVolumes": limits["volumes"],
            "maxTotalSnapshots": limits["snapshots"],
            "maxTotalVolumeGigabytes": limits["gigabytes"],
            "maxTotalBackups": limits["backups"],
            "maxTotalBackupGigabytes": limits["backup_gigabytes"],
            "totalVolumesUsed": used["volumes"],
            "totalSnapshotsUsed": used["snapshots"],
            "totalGigabytesUsed": used["gigabytes"],
            "totalBackupsUsed": 0,
            "totalBackupGigabytesUsed": 0,
        }
        return Reply(body={"limits": {"rate": [], "absolute": absolute}})

    def _project(self, call: Call) -> str:
        project_id = call.param("project")
        if project_id != call.caller.project_id:
            call.require_admin("volume_extension:quotas:show")
        return project_id

    def show(self, call: Call) -> Reply:
        project_id = self._project(call)
        limits: Doc = dict(limits_of(self._model, project_id))
        if truth(call.query.get("usage", "false")):
            used = used_by(self._model, project_id)
            limits = {
                name: {"limit": limit, "in_use": used[name], "reserved": 0}
                for name, limit in limits.items()
            }
        return Reply(body={"quota_set": {"id": project_id, **limits}})

    def defaults(self, call: Call) -> Reply:
        project_id = self._project(call)
        return Reply(body={"quota_set": {"id": project_id, **defaults(self._model)}})

    def update(self, call: Call) -> Reply:
        call.require_admin("volume_extension:quotas:update")
        project_id = call.param("project")
        self._put(call, "quota_set", project_id)
        return Reply(body={"quota_set": limits_of(self._model, project_id)})

    def delete(self, call: Call) -> Reply:
        call.require_admin("volume_extension:quotas:delete")
        self._model.quotas.delete(call.param("project"))
        return Reply(200)

    def show_class(self, call: Call) -> Reply:
        call.require_admin("volume_extension:quota_classes:get")
        return Reply(body={"quota_class_set": {"id": self._class(call), **defaults(self._model)}})

    def update_class(self, call: Call) -> Reply:
        call.require_admin("volume_extension:quota_classes:update")
        self._put(call, "quota_class_set", self._class(call))
        return Reply(body={"quota_class_set": defaults(self._model)})

    def _class(self, call: Call) -> str:
        if call.param("class") != "default":
            raise Fault(404, f"Quota class {call.param('class')} could not be found.")
        return "default"

    def _put(self, call: Call, envelope: str, quota_id: str) -> None:
        sent = call.body.get(envelope)
        if not isinstance(sent, dict):
            raise Fault(400, f"The body must be an object with an object '{envelope}'.")
        known, limits = defaults(self._model), {}
        for name, value in sent.items():
            if name in {"tenant_id", "project_id", "id"} or value is None:
                continue
            if name not in known:
                raise Fault(400, f"Bad key(s) in quota set: {name}.")
            limits[name] = _limit(name, value)
        old = self._model.quotas.get(quota_id) or {"id": quota_id}
        self._model.quotas.put({**old, **limits})


def _limit(name: str, value: object) -> int:
    """A limit as clients send it, as a number or as text."""
    number = int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value) else value
    if isinstance(number, int) and not isinstance(number, bool) and -1 <= number < 1 << 31:
        return number
    raise Fault(400, f"Invalid input for {name}: '{value}' is not -1 or more.")
