"""Key pairs over HTTP: they belong to users, come and go, and are counted."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from tests.functional.api.conftest import Answer, Deployment


def _public_key() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


async def _create(
    deployment: Deployment, name: str, *, user: str = "demo", v: int = 104, **fields: Any
) -> Answer:
    body = {"keypair": {"name": name, **fields}}
    return await deployment.call("POST", "/os-keypairs", body, user=user, v=v)


async def test_import_show_delete(deployment: Deployment) -> None:
    public_key = _public_key()
    answer = await _create(deployment, "mine", public_key=public_key)
    assert answer.status == 201
    assert answer.body["keypair"]["public_key"] == public_key
    assert "private_key" not in answer.body["keypair"]
    shown = (await deployment.call("GET", "/os-keypairs/mine", user="demo")).body["keypair"]
    assert shown["fingerprint"].count(":") == 15
    assert (shown["deleted"], shown["deleted_at"], shown["type"]) == (False, None, "ssh")
    assert (await deployment.call("DELETE", "/os-keypairs/mine", user="demo")).status == 204
    assert (await deployment.call("GET", "/os-keypairs/mine", user="demo")).status == 404
    assert (await deployment.call("DELETE", "/os-keypairs/mine", user="demo")).status == 404


async def test_first_version_says_less(deployment: Deployment) -> None:
    answer = await _create(deployment, "oldest", v=1, public_key=_public_key())
    assert answer.status == 200
    assert "type" not in answer.body["keypair"]
    answer = await _create(deployment, "typed", v=1, public_key=_public_key(), type="ssh")
    assert answer.status == 400
    answer = await deployment.call("DELETE", "/os-keypairs/oldest", user="demo", v=1)
    assert (answer.status, answer.body) == (202, b"")


async def test_generated_until_2_91(deployment: Deployment) -> None:
    answer = await _create(deployment, "made", v=91)
    assert answer.status == 201
    private = load_pem_private_key(answer.body["keypair"]["private_key"].encode(), None)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert answer.body["keypair"]["public_key"].startswith(public)
    assert (await _create(deployment, "not-made", v=92)).status == 400


async def test_certificates(deployment: Deployment) -> None:
    answer = await _create(deployment, "cert", v=91, type="x509")
    made = answer.body["keypair"]
    certificate = x509.load_pem_x509_certificate(made["public_key"].encode())
    assert certificate.subject == certificate.issuer
    assert made["fingerprint"].count(":") == 19
    answer = await _create(deployment, "again", type="x509", public_key=made["public_key"])
    assert answer.body["keypair"]["fingerprint"] == made["fingerprint"]


@pytest.mark.parametrize("public_key", ["ssh-rsa AAAA", "nonsense", ""])
async def test_bad_keys(deployment: Deployment, public_key: str) -> None:
    answer = await _create(deployment, "bad", public_key=public_key)
    assert (answer.status, answer.fault()) == (
        400,
        "Keypair data is invalid: failed to generate fingerprint",
    )


async def test_names(deployment: Deployment) -> None:
    assert (await _create(deployment, "a@b.c", public_key=_public_key(), v=91)).status == 400
    assert (await _create(deployment, "a@b.c", public_key=_public_key(), v=92)).status == 201
    answer = await _create(deployment, "a@b.c", public_key=_public_key())
    assert (answer.status, answer.fault()) == (409, "Key pair 'a@b.c' already exists.")


async def test_other_users_keys_are_for_administrators(deployment: Deployment) -> None:
    owner = (await _create(deployment, "owned", user="other", public_key=_public_key())).body
    query = f"?user_id={owner['keypair']['user_id']}"
    for method, path in (("GET", "/os-keypairs"), ("GET", "/os-keypairs/owned")):
        assert (await deployment.call(method, path + query, user="demo")).status == 403
        assert (await deployment.call(method, path + query, user="admin")).status == 200
    answer = await _create(
        deployment, "planted", user_id=owner["keypair"]["user_id"], public_key=_public_key()
    )
    assert answer.status == 403
    assert answer.fault() == (
        "Policy doesn't allow os_compute_api:os-keypairs:create to be performed."
    )
    for nobody in ("u" * 256, " u ", "ü"):
        answer = await _create(
            deployment, "planted", user="admin", user_id=nobody, public_key=_public_key()
        )
        assert answer.status == 400
    # Before 2.10 nobody else can be named at all.
    answer = await deployment.call("GET", "/os-keypairs/owned" + query, user="admin", v=9)
    assert answer.status == 404
    answer = await deployment.call("DELETE", "/os-keypairs/owned" + query, user="admin")
    assert answer.status == 204


async def test_list_by_name_and_page(deployment: Deployment) -> None:
    for name in ("c", "a", "b"):
        await _create(deployment, name, user="reader", public_key=_public_key())

    def names(answer: Answer) -> list[str]:
        return [item["keypair"]["name"] for item in answer.body["keypairs"]]

    answer = await deployment.call("GET", "/os-keypairs?limit=2", user="reader")
    assert names(answer) == ["a", "b"]
    path = answer.body["keypairs_links"][0]["href"].removeprefix(f"{deployment.base_url}/v2.1")
    answer = await deployment.call("GET", path, user="reader")
    assert names(answer) == ["c"]
    assert "keypairs_links" not in answer.body
    answer = await deployment.call("GET", "/os-keypairs?limit=2", user="reader", v=34)
    assert names(answer) == ["a", "b", "c"]
    answer = await deployment.call("GET", "/os-keypairs?marker=z", user="reader")
    assert (answer.status, answer.fault()) == (400, "marker [z] not found")


async def test_quota(deployment: Deployment) -> None:
    quota = f"/os-quota-sets/{deployment.projects['nobody']}"
    await deployment.call("PUT", quota, {"quota_set": {"key_pairs": 1}})
    created = await _create(deployment, "one", user="nobody", public_key=_public_key())
    assert created.status == 201
    answer = await _create(deployment, "two", user="nobody", public_key=_public_key())
    assert (answer.status, answer.fault()) == (403, "Quota exceeded, too many key pairs.")
    await deployment.call("DELETE", quota)
