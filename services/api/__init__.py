"""The Compute API over HTTP: authenticates, validates, authorises, answers.

May not: change a server by itself; it writes the first row of a change and wakes a conductor.
Crash story: an unanswered request may or may not have been taken; the database says which.
"""
