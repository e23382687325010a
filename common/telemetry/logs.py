"""Structured logs of every process: one JSON object (or one readable line) per event on stderr.

Owns: the only configuration of structlog and of the standard library's logging.
May not: write secrets; values under the names in `SECRET_KEYS` are masked wherever they come from.
Crash story: nothing is buffered here, so the last line before a crash is written.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import orjson
import structlog

from common.config.settings import LogSettings

SECRET_KEYS = frozenset(
    {"password", "admin_pass", "token", "auth_token", "authorization", "secret"}
)

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_NOISY_LIBRARIES = ("aio_pika", "aiormq", "aiohttp.access", "asyncio", "alembic")


def _mask_secrets(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for key in SECRET_KEYS & event.keys():
        event[key] = "***"
    return event


def _to_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


class _StdlibBridge(logging.Handler):
    """Sends what libraries log through the same processors."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        log.log(
            record.levelno,
            record.getMessage(),
            logger=record.name,
            **({"exc_info": record.exc_info} if record.exc_info else {}),
        )


def configure(settings: LogSettings, service: str, stream: TextIO | None = None) -> None:
    """Set up logging of this process; `service` stands in every line.

    A service of a one-process cluster overrides it with `structlog.contextvars`.
    """
    stream = stream or sys.stderr
    level = _LEVELS[settings.level]
    readable = settings.format == "console"

    def name_service(
        _logger: Any, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event.setdefault("service", service)
        return event

    tail: list[structlog.typing.Processor] = (
        [
            # Plain: the pretty one shows local variables, secrets among them, and takes seconds.
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if readable
        else [structlog.processors.format_exc_info, _to_json]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            name_service,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask_secrets,
            *tail,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_StdlibBridge()], level=level, force=True)
    for library in _NOISY_LIBRARIES:
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
