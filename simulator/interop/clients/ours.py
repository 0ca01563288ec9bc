"""This project's own tool. Posts are read from its output, other events from its log."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

from tell import BASE_URL, RULES, tell

TOOL = os.environ["POWERSTREAM"]
ENVIRONMENT = {**os.environ, "X_BEARER_TOKEN": "any", "RUST_LOG": "trace", "NO_COLOR": "1"}


def run(command, *arguments):
    with tempfile.TemporaryDirectory() as state:
        options = ["--base-url", BASE_URL, "--state-dir", state, "--json", *arguments]
        done = subprocess.run([TOOL, "rules", command, *options], env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def rules():
    added = [rule for rule in RULES for rule in run("add", "--yes", "--tag", rule["tag"], rule["value"])]
    tell("added", count=sum(rule["fate"] == "created" for rule in added))
    tell("listed", values=sorted(rule["value"] for rule in run("list")))
    deleted = run("delete", "--yes", RULES[1]["value"])
    tell("deleted", count=sum(rule["fate"] == "deleted" for rule in deleted))


def stream():
    command = [TOOL, "stream", "--base-url", BASE_URL]
    tool = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGTERM, lambda *_: tool.terminate())

    def log():
        for line in tool.stderr:
            if re.search(r"\bconnected to\b", line):
                tell("connected")
            elif re.search(r"\bkeep-alive\b", line) and "TRACE" in line:
                tell("keep_alive")
            elif "disconnected: " in line or "could not connect: " in line or "refused: " in line:
                tell("disconnected")

    reader = threading.Thread(target=log, daemon=True)
    reader.start()
    for line in tool.stdout:
        tell("message", id=json.loads(line).get("id_str"))
    tool.wait()
    reader.join()


{"rules": rules, "stream": stream}[sys.argv[1]]()
