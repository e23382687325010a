"""`python -m services.standins`: all stand-ins in one process.

Owns: nothing; it names the composition root to the runner. Crash story: see app.py.
"""

from common.runtime.main import run
from services.standins.app import create

run("standins", create)
