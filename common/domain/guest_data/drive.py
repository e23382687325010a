"""What a guest is told as the files of a config drive.

Owns: which files there are, their paths and contents. May not: know of images or disks.
Crash story: none; a pure function.

    openstack/<each version>/...   as the metadata service says it, with what is said only once
    openstack/content/0000 ...     the injected files
    ec2/<newest version>/...       the EC2 form as JSON
"""

from __future__ import annotations

import orjson

from common.domain.guest_data import ec2, openstack
from common.domain.guest_data.facts import GuestFacts
from common.domain.guest_data.secrets import GuestSecrets


def files(facts: GuestFacts, seed: bytes, secrets: GuestSecrets) -> dict[str, bytes]:
    """Contents by path."""
    names = [f"/content/{number:04}" for number in range(len(secrets.files))]
    own = [openstack.OwnFile(f.path, name) for f, name in zip(secrets.files, names, strict=True)]
    once = openstack.Once(own, secrets.admin_password)
    found: dict[str, bytes] = {}
    for version in (*openstack.VERSIONS, openstack.LATEST):
        for name, content in openstack.documents(facts, version, seed, once).items():
            found[f"openstack/{version}/{name}"] = content
    for file, name in zip(secrets.files, names, strict=True):
        found[f"openstack{name}"] = file.content
    for version in (ec2.VERSIONS[-1], ec2.LATEST):
        for name, part in ec2.whole(facts, version).items():
            if isinstance(part, bytes):
                found[f"ec2/{version}/{name}"] = part
            else:
                found[f"ec2/{version}/{name}.json"] = orjson.dumps(part)
    return found
