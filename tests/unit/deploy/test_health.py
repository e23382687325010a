"""/healthz, /readyz and /metrics of services without an API, and secrets in logs."""

from __future__ import annotations

import io
import json

import aiohttp
import structlog

from common.config.settings import LogSettings
from common.telemetry import logs
from common.telemetry.health import HealthServer


async def test_ready_only_when_every_check_holds() -> None:
    checks = {"started": True, "bus": False}
    server = HealthServer("127.0.0.1", 0, lambda: checks)
    await server.start()
    base = f"http://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{base}/healthz") as answer:
            assert answer.status == 200
        async with http.get(f"{base}/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["checks"] == checks
        checks["bus"] = True
        async with http.get(f"{base}/readyz") as answer:
            assert answer.status == 200
        async with http.get(f"{base}/metrics") as answer:
            assert b"process_" in await answer.read()
        async with http.get(f"{base}/other") as answer:
            assert answer.status == 404
        async with http.post(f"{base}/readyz") as answer:
            assert answer.status == 405
    await server.stop()


def test_logs_are_json_and_mask_secrets() -> None:
    stream = io.StringIO()
    before = structlog.get_config()
    try:
        logs.configure(LogSettings(), "api", stream)
        structlog.get_logger("x").info("login", user="demo", password="hunter2")
    finally:
        structlog.configure(**before)
    entry = json.loads(stream.getvalue())
    assert entry["service"] == "api"
    assert entry["user"] == "demo"
    assert "hunter2" not in stream.getvalue()
