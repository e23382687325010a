"""`muster fuzz`: requests made up from the API's own documents, at several microversions.

Schemathesis makes requests that fit the documents and requests that almost do. Every answer must
be one that the document names, none may be a 500.
Owns: the documents with real values in them, and the count. May not: talk to other machines.
Crash story: the cluster is a throw-away one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from deploy.fuzz import values, world
from deploy.load.client import Client
from deploy.load.throwaway import ROOMY, settings_of, throw_away
from services.api import versions
from services.api.handlers import all_operations
from services.api.http.negotiation import STANDARD_HEADER
from services.api.openapi import document

VERSIONS = (versions.MIN, 35, 79, versions.MAX)
"""First, last, the last with the network proxies, and one between."""
_CHECKS = "not_a_server_error,status_code_conformance"
_GENERATED = re.compile(r"(\d[\d,]*) generated")


@dataclass
class Outcome:
    version: str
    requests: int
    failed: bool
    report: str


async def fuzz(requests: int, seed: int | None) -> list[Outcome]:
    """At least `requests` in all, shared among `VERSIONS`. Raises `LocalClusterError`."""
    settings = settings_of(**dict(ROOMY))
    with throw_away(settings) as cluster:
        cluster.up("--hosts", "3")
        outcomes = []
        for version in VERSIONS:
            async with Client(cluster.home) as client:
                await world.populate(client)
                described = await _document(client, version)
                outcome = _schemathesis(
                    cluster.home.path, described, client.token, requests // len(VERSIONS), seed
                )
            outcomes.append(outcome)
        return outcomes


async def _document(client: Client, version: int) -> dict[str, Any]:
    """The API's document with the values that path parameters can really have."""
    described = document(all_operations(), version, client.endpoint("compute"))
    real = await values.of_paths(client, described["paths"])
    for path, operations in described["paths"].items():
        for operation in operations.values():
            # Said by every request: without it the answer is one of another document.
            operation["parameters"] = [
                each for each in operation["parameters"] if each["in"] != "header"
            ]
            for parameter in operation["parameters"]:
                known = real[path].get(parameter["name"])
                if parameter["in"] == "path" and known:
                    parameter["schema"] = {"anyOf": [{"enum": known}, parameter["schema"]]}
    return described


def _schemathesis(
    directory: Path, described: dict[str, Any], token: str, requests: int, seed: int | None
) -> Outcome:
    version = described["info"]["version"]
    file = directory / f"api-{version}.json"
    file.write_bytes(orjson.dumps(described))
    operations = sum(len(methods) for methods in described["paths"].values())
    each = -(-requests // operations)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        str(file),
        f"--url={described['servers'][0]['url']}",
        f"--header=X-Auth-Token: {token}",
        f"--header={STANDARD_HEADER}: compute {version}",
        f"--checks={_CHECKS}",
        "--phases=fuzzing",
        f"--max-examples={each}",
        "--max-failures=50",
        "--no-color",
        *([f"--seed={seed}"] if seed is not None else []),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    generated = _GENERATED.search(done.stdout)
    count = int(generated[1].replace(",", "")) if generated else 0
    return Outcome(version, count, done.returncode != 0 or not count, done.stdout + done.stderr)
