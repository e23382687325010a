"""The Placement API as a window on the ledger of hosts and claims; everything is read only.

Clients that look there for what hosts have and who holds it (osc-placement, dashboards) find it.
Claims themselves are made by commits of workflows (common/db/stores/claims.py) and nowhere else, so
whatever would change something is refused.
"""
