"""Security groups and their rules.

Owns: `/v2.0/security-groups`, `/v2.0/security-group-rules`, the default group of each project.
May not: filter packets. Crash story: see store.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, field_validator

from services.standins.network.model import Model, bad, not_found, owns
from services.standins.network.resource import Resource, StandardBody
from services.standins.store import Doc
from services.standins.web import Body, Call, Fault, Reply, complete

DEFAULT = "default"
PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58,
    "igmp": 2, "ip": 0, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46,
    "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
WITH_PORTS = frozenset({"tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "132", "33", "136"})
ICMP = frozenset({"icmp", "icmpv6", "ipv6-icmp", "1", "58"})
IDENTITY_OF_RULE = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "normalized_cidr",
    "remote_group_id",
    "remote_address_group_id",
)


class GroupBody(StandardBody):
    stateful: bool = True


class RuleBody(Body):
    security_group_id: str
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = Field(default=None, ge=0, le=65535)
    port_range_max: int | None = Field(default=None, ge=0, le=65535)
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None
    description: str | None = Field(default="", max_length=255)
    project_id: str | None = None
    tenant_id: str | None = None

    @field_validator("ethertype", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return {"ipv4": "IPv4", "ipv6": "IPv6"}.get(str(value).lower(), value)

    @field_validator("protocol", mode="before")
    @classmethod
    def _name_or_number(cls, value: object) -> object:
        if value is None or (isinstance(value, str) and value.lower() in {"any", ""}):
            return None
        text = str(value).lower()
        if text in PROTOCOLS or (text.isdecimal() and int(text) <= 255):
            return text
        raise ValueError("neither a protocol name nor a number from 0 to 255")


class SecurityGroups(Resource):
    name, plural, kind, body = "security_group", "security_groups", "SecurityGroup", GroupBody
    path = "security-groups"

    def __init__(self, model: Model) -> None:
        super().__init__(model, model.groups)

    def list(self, call: Call) -> Reply:
        query = call.query
        asked = query.get("project_id") or query.get("tenant_id")
        if asked is None or not call.caller.is_admin:
            asked = call.caller.project_id
        ensure_default_group(self.model, asked)
        return super().list(call)

    def view(self, call: Call, doc: Doc) -> Doc:  # noqa: ARG002
        rules = self.model.rules.find("group", doc["id"])
        return {**doc, "shared": False, "security_group_rules": rules}

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:  # noqa: ARG002
        ensure_default_group(self.model, project_id)
        if sent.name == DEFAULT:
            raise Fault(
                409, "Default security group already exists.", "SecurityGroupDefaultAlreadyExists"
            )
        return make_group(self.model, complete(sent), project_id)

    def change(self, call: Call, old: Doc, changes: Doc) -> Doc:  # noqa: ARG002
        if old["name"] == DEFAULT and changes.get("name", DEFAULT) != DEFAULT:
            raise Fault(
                409,
                "Updating default security group not allowed.",
                "SecurityGroupCannotUpdateDefault",
            )
        return {**old, **changes}

    def remove(self, call: Call, doc: Doc) -> None:
        if self.model.ports.count("group", doc["id"]):
            message = f"Security Group {doc['id']} in use."
            raise Fault(409, message, "SecurityGroupInUse")
        if doc["name"] == DEFAULT and not call.caller.is_admin:
            raise Fault(
                409,
                "Insufficient rights for removing default security group.",
                "SecurityGroupCannotRemoveDefault",
            )
        # Its own rules, and those of others that let its members in.
        for index in ("group", "remote"):
            for rule in self.model.rules.find(index, doc["id"]):
                self.model.rules.delete(rule["id"])
        super().remove(call, doc)


class SecurityGroupRules(Resource):
    name, plural, kind = "security_group_rule", "security_group_rules", "SecurityGroupRule"
    path = "security-group-rules"
    body = RuleBody
    updatable = False

    def __init__(self, model: Model) -> None:
        super().__init__(model, model.rules)

    def candidates(self, call: Call) -> Iterable[Doc]:
        groups = call.query.getall("security_group_id", [])
        if len(groups) == 1 and "id" not in call.query:
            return self.model.rules.find("group", groups[0])
        return super().candidates(call)

    def build(self, call: Call, sent: Any, project_id: str) -> Doc:
        group = self.model.groups.get(sent.security_group_id)
        if group is None or not owns(call.caller, group):
            raise not_found("SecurityGroup", sent.security_group_id)
        if sent.remote_group_id is not None and sent.remote_group_id not in self.model.groups:
            raise not_found("SecurityGroup", sent.remote_group_id)
        # Whoever makes the rule, it belongs to the group's project.
        project_id = group["project_id"]
        doc = {**complete(sent), "normalized_cidr": _prefix(sent)}
        _check_ports(sent)
        for other in self.model.rules.find("group", group["id"]):
            if all(doc[name] == other[name] for name in IDENTITY_OF_RULE):
                raise Fault(
                    409,
                    f"Security group rule already exists. Rule id is {other['id']}.",
                    "SecurityGroupRuleExists",
                )
        return self.model.rules.put(self.model.new(doc, project_id))


def make_group(model: Model, fields: Doc, project_id: str) -> Doc:
    """Keep a new group with the two rules that let everything out."""
    group = model.groups.put(model.new(fields, project_id))
    for ethertype in ("IPv4", "IPv6"):
        _make_rule(model, group, "egress", ethertype, None)
    return group


def ensure_default_group(model: Model, project_id: str) -> str:
    """Id of the project's default group, made at the first look; "" for no project."""
    if not project_id:
        return ""
    for group in model.groups.find("project", project_id):
        if group["name"] == DEFAULT:
            return str(group["id"])
    fields = {"name": DEFAULT, "description": "Default security group", "stateful": True}
    group = make_group(model, fields, project_id)
    for ethertype in ("IPv4", "IPv6"):
        _make_rule(model, group, "ingress", ethertype, group["id"])
    return str(group["id"])


def _make_rule(
    model: Model, group: Doc, direction: str, ethertype: str, remote_group_id: str | None
) -> None:
    rule = {
        "security_group_id": group["id"],
        "direction": direction,
        "ethertype": ethertype,
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": remote_group_id,
        "remote_address_group_id": None,
        "normalized_cidr": None,
        "description": None,
    }
    model.rules.put(model.new(rule, group["project_id"]))


def _prefix(sent: RuleBody) -> str | None:
    if sent.remote_ip_prefix is None:
        return None
    if sent.remote_group_id is not None:
        raise Fault(
            400,
            "Only remote_ip_prefix or remote_group_id may be provided.",
            "SecurityGroupMultipleRemoteEntites",
        )
    try:
        block = ipaddress.ip_network(sent.remote_ip_prefix, strict=False)
    except ValueError as error:
        message = f"remote_ip_prefix '{sent.remote_ip_prefix}' is not an address block"
        raise bad(message) from error
    if f"IPv{block.version}" != sent.ethertype:
        raise Fault(
            400,
            f"Conflicting value ethertype {sent.ethertype} for CIDR {sent.remote_ip_prefix}.",
            "SecurityGroupRuleParameterConflict",
        )
    return str(block)


def _check_ports(sent: RuleBody) -> None:
    low, high, protocol = sent.port_range_min, sent.port_range_max, sent.protocol
    if low is None and high is None:
        return
    if protocol is None:
        raise Fault(
            400,
            "Must also specify protocol if port range is given.",
            "SecurityGroupProtocolRequiredWithPorts",
        )
    if protocol in ICMP:
        for name, value in (("port_range_min", low), ("port_range_max", high)):
            if value is not None and value > 255:
                raise Fault(
                    400,
                    f"Invalid value for ICMP {name}: {value}, it must be 0 to 255.",
                    "SecurityGroupInvalidIcmpValue",
                )
        if low is None:
            raise Fault(
                400,
                f"ICMP code (port-range-max) {high} is provided but ICMP type is missing.",
                "SecurityGroupMissingIcmpType",
            )
    elif protocol in WITH_PORTS and (low is None or high is None or low > high):
        raise Fault(
            400,
            "For TCP/UDP protocols, port_range_min must be <= port_range_max.",
            "SecurityGroupInvalidPortRange",
        )
