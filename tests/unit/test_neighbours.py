"""What neighbours' refusals become, and that ids stay ids."""

from __future__ import annotations

import pytest

from common.errors import MusterError, NotFound
from common.neighbours.paths import part
from common.neighbours.responses import accepted


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(400, 400), (401, 401), (403, 403), (404, 404), (409, 409), (429, 503), (418, 500)],
)
def test_refusals(theirs: int, ours: int) -> None:
    with pytest.raises(MusterError) as refused:
        accepted("image", theirs, None, 200)
    assert refused.value.http_status == ours


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(NotFound):
        part(text)


def test_an_id_is_one_part() -> None:
    assert part("../a?b#c%2F") == "..%2Fa%3Fb%23c%252F"
