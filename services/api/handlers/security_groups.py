"""Security groups and their rules, as old clients look for them here: passed on to the network
service, which decides what the caller sees."""

from __future__ import annotations

from collections.abc import Iterable

from common.errors import Conflict, Forbidden, InvalidInput, NotFound, OverQuota
from common.neighbours.network_proxy import NetworkProxy
from common.neighbours.network_records import SecurityGroup, SecurityGroupRule
from services.api import versions
from services.api.identifiers import parse_uuid
from services.api.operation import Operation, Reply
from services.api.request import ALL_PROJECTS, Request
from services.api.schemas import security_groups as schemas
from services.api.schemas.query import any_parameters
from services.api.servers import security_rules
from services.api.versions import before
from services.api.views.security_groups import render, render_rule

_UNTIL = before(versions.PROXIES_GONE)
_RULE = "os_compute_api:os-security-groups:"


def _proxy(request: Request) -> NetworkProxy:
    return NetworkProxy(request.app.session, request.ctx.token)


async def _remote(
    request: Request, rules: Iterable[SecurityGroupRule], known: Iterable[SecurityGroup]
) -> dict[str, SecurityGroup]:
    """The groups that rules refer to, by id."""
    found = {group.id: group for group in known}
    wanted = {rule.remote_group_id for rule in rules if rule.remote_group_id} - found.keys()
    if wanted:
        more = await _proxy(request).security_groups(id=sorted(wanted))
        found |= {group.id: group for group in more}
    return found


async def _shown(request: Request, group: SecurityGroup) -> Reply:
    remote = await _remote(request, group.rules, [group])
    return Reply({"security_group": render(group, remote)})


async def _one(request: Request) -> SecurityGroup:
    group_id = request.params["id"]
    if parse_uuid(group_id) is None:
        raise InvalidInput("Security group id should be uuid")
    try:
        return await _proxy(request).security_group(group_id)
    except NotFound as error:
        raise NotFound(f"Security group {group_id} not found.") from error


async def index(request: Request) -> Reply:
    """Those of the project; with all_tenants, for who may, all."""
    everything = request.q("all_tenants") is not None and request.can(ALL_PROJECTS)
    filters = {} if everything else {"project_id": request.ctx.project_id}
    groups = await _proxy(request).security_groups(**filters)
    groups.sort(key=lambda group: (group.project_id, group.name, group.id))
    first = request.q("offset") or 0
    limit = min(request.q("limit") or schemas.MOST, request.app.settings.api.max_limit)
    page = groups[first : first + limit]
    remote = await _remote(request, [rule for group in page for rule in group.rules], groups)
    return Reply({"security_groups": [render(group, remote) for group in page]})


async def show(request: Request) -> Reply:
    return await _shown(request, await _one(request))


async def create(request: Request) -> Reply:
    asked = request.body["security_group"]
    try:
        made = await _proxy(request).create_security_group(asked["name"], asked["description"])
    except OverQuota as error:
        raise Forbidden("Quota exceeded, too many security groups.") from error
    except Conflict as error:
        raise InvalidInput(str(error)) from error
    return await _shown(request, made)


async def update(request: Request) -> Reply:
    group, asked = await _one(request), request.body["security_group"]
    try:
        changed = await _proxy(request).update_security_group(
            group.id, asked["name"], asked["description"]
        )
    except Conflict as error:
        raise InvalidInput(str(error)) from error
    return await _shown(request, changed)


async def delete(request: Request) -> Reply:
    group = await _one(request)
    try:
        await _proxy(request).delete_security_group(group.id)
    except Conflict as error:
        raise InvalidInput(str(error)) from error
    return Reply()


async def create_rule(request: Request) -> Reply:
    wanted = security_rules.asked(request.body["security_group_rule"])
    group_id = wanted["security_group_id"]
    try:
        group = await _proxy(request).security_group(group_id)
        if any(security_rules.same(wanted, rule) for rule in group.rules):
            raise InvalidInput(f"This rule already exists in group {group_id}")
        made = await _proxy(request).create_rule(**wanted)
    except NotFound as error:
        raise NotFound(str(error)) from error
    except OverQuota as error:
        raise Forbidden("Quota exceeded, too many security group rules.") from error
    except Conflict as error:
        raise InvalidInput(str(error)) from error
    remote = await _remote(request, [made], [group])
    return Reply({"security_group_rule": render_rule(made, remote)})


async def delete_rule(request: Request) -> Reply:
    rule_id = request.params["id"]
    if parse_uuid(rule_id) is None:
        raise InvalidInput("Security group id should be uuid")
    await _proxy(request).delete_rule(rule_id)
    return Reply()


_ALL, _EACH = "/os-security-groups", "/os-security-groups/{id}"
_RULES = "/os-security-group-rules"

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, _RULE + "get", until=_UNTIL, query=schemas.groups_query),
    Operation("POST", _ALL, create, _RULE + "create", until=_UNTIL, body=schemas.group),
    Operation("GET", _EACH, show, _RULE + "show", until=_UNTIL, query=any_parameters),
    Operation("PUT", _EACH, update, _RULE + "update", until=_UNTIL, body=schemas.group),
    Operation("DELETE", _EACH, delete, _RULE + "delete", until=_UNTIL, success=202),
    Operation("POST", _RULES, create_rule, _RULE + "rule:create", until=_UNTIL, body=schemas.rule),
    Operation("DELETE", _RULES + "/{id}", delete_rule, _RULE + "rule:delete", until=_UNTIL,
              success=202),
]
