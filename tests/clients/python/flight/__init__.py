"""Clients of Arrow Flight SQL against a running server: `python -m flight TOPIC FLIGHT HTTP`.

FLIGHT and HTTP are the addresses of the two doors. A topic is a module; each of its functions named `check_...` is one check.
"""
