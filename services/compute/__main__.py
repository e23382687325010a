"""`python -m services.compute`: one process of compute agents."""

from common.runtime.main import run
from services.compute.app import create

run("compute", create)
