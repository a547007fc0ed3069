#!/usr/bin/env python3
"""alone.py STRESS OUT SECONDS COMMAND...: runs it without input, all that it says to OUT. Prints its status (none: it took longer), and how many
processes it left. STRESS is where common.py is."""
import sys

sys.dont_write_bytecode = True
stress, name, limit, *command = sys.argv[1:]
sys.path.insert(0, stress)
import common

common.become_reaper()
with open(name, "wb") as out:
    status, left = common.run(command, out, float(limit))
print("none" if status is None else status, left)
