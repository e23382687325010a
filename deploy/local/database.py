"""Using a database that somebody else runs: what can go wrong, in words.

Owns: turning the driver's errors into a reason and an advice. May not: run SQL.
Crash story: none.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import asyncpg

from common.config.urls import without_password
from common.db.pool import DatabaseUnusable
from deploy.local.home import LocalClusterError

T = TypeVar("T")
_ADVICE = "set MUSTER_DATABASE__URL and MUSTER_DATABASE__PASSWORD, or --database-url"


async def checked(work: Awaitable[T], url: str) -> T:
    """The result of `work`; raises `LocalClusterError` in place of the driver's errors."""
    url = without_password(url)
    try:
        return await work
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise LocalClusterError(f"{url}: {error}; {_ADVICE}") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise LocalClusterError(f"{url}: {error}; create it first") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, DatabaseUnusable) as error:
        raise LocalClusterError(f"{url}: {error}") from error
    except (OSError, TimeoutError) as error:
        reason = str(error) or "timeout"
        raise LocalClusterError(f"no PostgreSQL answers at {url} ({reason}); {_ADVICE}") from error
