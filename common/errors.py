"""The kinds of failure Muster knows, and what each means to a caller.

Owns: the closed list of error kinds, their HTTP status and whether a repeat may succeed.
May not: word a failure for one particular client; that is the API service's job.
Crash story: errors carry no state; an error that crosses the bus travels as `ErrorBody`
(common/messages) and is rebuilt from `code` by `from_code`.
"""

from __future__ import annotations

from typing import ClassVar


class MusterError(Exception):
    """Base of every expected failure. `str(error)` is safe to show to the caller."""

    code: ClassVar[str] = "bug"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message or type(self).__doc__ or type(self).__name__)


class InvalidInput(MusterError):
    """The request is malformed or names something that cannot be used."""

    code = "invalid_input"
    http_status = 400


class Unauthorized(MusterError):
    """The request carries no valid token."""

    code = "unauthorized"
    http_status = 401


class Forbidden(MusterError):
    """Policy denies the request."""

    code = "forbidden"
    http_status = 403


class OverQuota(Forbidden):
    """The project's quota does not allow the request."""

    code = "over_quota"


class NotFound(MusterError):
    """The thing named does not exist, or the caller may not know that it does."""

    code = "not_found"
    http_status = 404


class Conflict(MusterError):
    """The thing exists but its state does not allow the request."""

    code = "conflict"
    http_status = 409


class NoValidHost(MusterError):
    """No host can take the server."""

    code = "no_valid_host"
    http_status = 500


class Unsupported(MusterError):
    """This deployment or driver cannot do it."""

    code = "unsupported"
    http_status = 501


class Unavailable(MusterError):
    """A dependency did not answer; the same request may succeed later."""

    code = "unavailable"
    http_status = 503
    retryable = True

    def __init__(self, message: str = "", *, reason: str = "") -> None:
        """`reason` is for operators: addresses and settings, which callers are not shown."""
        super().__init__(message)
        self.reason = reason or str(self)


class Timeout(Unavailable):
    """A dependency did not answer in time."""

    code = "timeout"


class HostCommandFailed(MusterError):
    """A host tried and could not do what it was told; the message is the driver's own."""

    code = "host_command_failed"


class StaleGeneration(HostCommandFailed):
    """The command is for a generation of the guest that this host knows to be over."""

    code = "stale_generation"


class MigrationAborted(HostCommandFailed):
    """The live migration was aborted; the guest stayed where it was."""

    code = "migration_aborted"


class Bug(MusterError):
    """A broken promise inside Muster; never the caller's fault."""

    code = "bug"


def reason(error: BaseException) -> str:
    """What operators are told of a failure; its text may be less, because callers see that."""
    return error.reason if isinstance(error, Unavailable) else str(error)


def _all_kinds(kind: type[MusterError]) -> list[type[MusterError]]:
    return [kind, *(k for sub in kind.__subclasses__() for k in _all_kinds(sub))]


def from_code(code: str, message: str) -> MusterError:
    """Rebuild an error that crossed the bus; an unknown code (from a newer sender) is a `Bug`."""
    for kind in _all_kinds(MusterError):
        if kind.code == code:
            return kind(message)
    return Bug(f"{code}: {message}")
