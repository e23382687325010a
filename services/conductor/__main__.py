"""`python -m services.conductor`: one conductor process."""

from common.runtime.main import run
from services.conductor.app import create

run("conductor", create)
