"""Runs the Python blocks of a page: `python notebooks.py PAGE FOLDER FLIGHT`, where FOLDER holds a lake named `telemetry`
and FLIGHT is the address of the Arrow Flight SQL door of its server.

The blocks of a section are one program, each section in a process of its own, in FOLDER. The store that the page
has at `http://localhost:9000`, or `localhost:9000`, is played by moto, with the lake's files in a bucket `telemetry`; `<this folder>`, as
a lake's README has it, is the lake. Printed is, as one JSON object, what each section's blocks left in the variables
`CHECKED`; a dict becomes a list of pairs.
"""

import json
import logging
import pathlib
import subprocess
import sys

import boto3
from moto.server import ThreadedMotoServer

CHECKED = ["count", "last", "by_tier", "by_event"]
ENDPOINT = "http://localhost:9000"
ADDRESS = "localhost:9000"
README_FOLDER = "<this folder>"
FLIGHT = "127.0.0.1:8711"

# What a section's process does after its blocks.
REPORT = f"""
import json as _json
import os as _os
from readers.plain import plain as _plain

_left = {{name: globals().get(name) for name in {CHECKED}}}
_left = {{name: list(map(list, value.items())) if isinstance(value, dict) else value for name, value in _left.items()}}
print(_json.dumps({{name: _plain(value) for name, value in _left.items()}}), flush=True)
# The readers' native threads may still run: on a busy machine an ordinary end of Python aborts ("terminate called").
_os._exit(0)
"""


def blocks(page):
    """The Python blocks of a page as (section, line, code)."""
    section, start, code = None, None, []
    for number, line in enumerate(page.splitlines(), 1):
        if start is None and line.startswith("## "):
            section = line[3:]
        elif start is None and line == "```python":
            start, code = number, []
        elif start is not None and line == "```":
            yield section, start, "\n".join(code)
            start = None
        elif start is not None:
            code.append(line)


def bucket(lake):
    """An S3 with the lake in it, and its endpoint."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
    client.create_bucket(Bucket=lake.name)
    for file in lake.rglob("*"):
        if file.is_file():
            client.upload_file(str(file), lake.name, str(file.relative_to(lake)))
    return server, f"http://{host}:{port}"


def run(programs, folder):
    """Runs each section's program and collects what it leaves."""
    here = str(pathlib.Path(__file__).parent)
    report = {}
    for section, program in programs.items():
        program = f"import sys\nsys.path.append({here!r})\n{program}\n{REPORT}"
        done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"section {section!r}: {done.stderr}")
        report[section] = json.loads(done.stdout.splitlines()[-1])
    return report


def main():
    """See above."""
    page, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    server, endpoint = bucket(folder / "telemetry")
    programs = {}
    for section, line, code in blocks(page.read_text()):
        code = code.replace(ENDPOINT, endpoint).replace(ADDRESS, endpoint.removeprefix("http://"))
        code = code.replace(README_FOLDER, "./telemetry").replace(FLIGHT, sys.argv[3])
        programs[section] = programs.get(section, "") + f"\n# {page.name}, line {line}\n{code}\n"
    print(json.dumps(run(programs, folder)))
    server.stop()


main()
