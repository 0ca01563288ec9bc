"""curl, with its output read line by line, as in shell scripts. It is restarted for each reconnect."""

import json
import subprocess
import sys

from tell import BASE_URL, RULES, TOKEN, tell

CURL = ["curl", "--silent", "--show-error", "--no-buffer", "--header", f"Authorization: Bearer {TOKEN}"]
URL = f"{BASE_URL}/2/powerstream"


def ask(method, body=None):
    data = [] if body is None else ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
    answer = subprocess.run([*CURL, "--request", method, *data, f"{URL}/rules"], capture_output=True, check=True)
    return json.loads(answer.stdout)


def rules():
    tell("added", count=len(ask("POST", {"rules": RULES})["data"]["rules"]))
    tell("listed", values=sorted(rule["value"] for rule in ask("GET")["data"]["rules"]))
    tell("deleted", count=ask("DELETE", {"rules": RULES[1:]})["data"]["deleted"])


def stream():
    curl = subprocess.Popen([*CURL, "--fail", URL], stdout=subprocess.PIPE)
    tell("connected")
    try:
        for line in curl.stdout:
            if line.strip():
                try:
                    tell("message", id=json.loads(line).get("id_str"))
                except json.JSONDecodeError:
                    tell("junk")
            else:
                tell("keep_alive")
        tell("disconnected", code=curl.wait())
    finally:
        curl.kill()


{"rules": rules, "stream": stream}[sys.argv[1]]()
