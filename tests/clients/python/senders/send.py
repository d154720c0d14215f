"""Sends OTLP with OpenTelemetry's Python SDK: `send.py SCENARIO PROTOCOL COMPRESSION ENDPOINT RUN`.

SCENARIO is one of the files beside this one. PROTOCOL is grpc, http/protobuf or http/json, COMPRESSION none, gzip or
deflate. RUN is the resource's `test.run`. What the exporters say goes to stderr.
"""

import importlib
import logging
import sys

from exporters import Exporters

SCENARIOS = ["everything", "numbered", "impossible"]

if __name__ == "__main__":
    scenario, protocol, compression, endpoint, run = sys.argv[1:]
    if scenario not in SCENARIOS:
        sys.exit(f"no scenario {scenario}; there are {', '.join(SCENARIOS)}")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s %(levelname)s %(message)s")
    module = importlib.import_module(scenario)
    # The exporters say the same thing once in 20 seconds; a test wants to hear of every retry.
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.filters.clear()
    module.send(Exporters(protocol, compression, endpoint), run)
