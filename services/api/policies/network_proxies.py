"""Policy defaults: network proxies."""

from __future__ import annotations

from services.api.policies.base import ANYBODY, MEMBER, READER

RULES = {
    "os_compute_api:os-floating-ip-pools": ANYBODY,
    "os_compute_api:os-floating-ips:add": MEMBER,
    "os_compute_api:os-floating-ips:create": MEMBER,
    "os_compute_api:os-floating-ips:delete": MEMBER,
    "os_compute_api:os-floating-ips:list": READER,
    "os_compute_api:os-floating-ips:remove": MEMBER,
    "os_compute_api:os-floating-ips:show": READER,
    "os_compute_api:os-networks:list": READER,
    "os_compute_api:os-networks:show": READER,
    "os_compute_api:os-security-groups:add": MEMBER,
    "os_compute_api:os-security-groups:create": MEMBER,
    "os_compute_api:os-security-groups:delete": MEMBER,
    "os_compute_api:os-security-groups:get": READER,
    "os_compute_api:os-security-groups:list": READER,
    "os_compute_api:os-security-groups:remove": MEMBER,
    "os_compute_api:os-security-groups:rule:create": MEMBER,
    "os_compute_api:os-security-groups:rule:delete": MEMBER,
    "os_compute_api:os-security-groups:show": READER,
    "os_compute_api:os-security-groups:update": MEMBER,
    "os_compute_api:os-tenant-networks:list": READER,
    "os_compute_api:os-tenant-networks:show": READER,
}
