"""Runs the checks of one topic: see the package's head."""

import importlib
import sys

from .doors import Doors


def main():
    """Every check of the topic; the first that fails ends it."""
    topic, flight, http = sys.argv[1:]
    module = importlib.import_module(f".{topic}", __package__)
    checks = [check for name, check in vars(module).items() if name.startswith("check_")]
    doors = Doors(flight, http)
    for check in checks:
        print(check.__name__, flush=True)
        check(doors)
    print(f"{len(checks)} checks")


main()
