"""`python -m tests.contracts.write_golden`: write the golden files that are not there yet."""

from __future__ import annotations

from tests.contracts.examples import EXAMPLES
from tests.contracts.test_messages import path_of, pretty

for message in EXAMPLES:
    if not path_of(message).exists():
        path_of(message).write_bytes(pretty(message))
