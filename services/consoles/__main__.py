"""`python -m services.consoles`: one console proxy."""

from common.runtime.main import run
from services.consoles.app import create

run("consoles", create)
