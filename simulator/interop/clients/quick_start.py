"""Powerstream as in X's quick start: plain `requests`, `iter_lines` and a loop.

It is rewritten with the same calls and defaults (no timeout, chunks of 512), and reports its events.
"""

import json
import sys

import requests

from tell import BASE_URL, RULES, TOKEN, tell

URL = f"{BASE_URL}/2/powerstream"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


def rules():
    answer = requests.post(f"{URL}/rules", headers=HEADERS, json={"rules": RULES})
    added = answer.json().get("data", {}).get("rules", []) if answer.status_code == 201 else []
    tell("added", count=len(added), status=answer.status_code)

    answer = requests.get(f"{URL}/rules", headers=HEADERS)
    listed = answer.json().get("data", {}).get("rules", [])
    tell("listed", values=sorted(rule["value"] for rule in listed))

    # By value, as on X's page.
    answer = requests.delete(f"{URL}/rules", headers=HEADERS, json={"rules": RULES[1:]})
    tell("deleted", count=answer.json().get("data", {}).get("deleted"), status=answer.status_code)


def stream():
    while True:
        answer = requests.request("GET", URL, headers=HEADERS, stream=True)
        tell("connected", status=answer.status_code)
        for line in answer.iter_lines():
            if not line:
                tell("keep_alive")
                continue
            message = json.loads(line)
            if answer.status_code != 200:
                raise RuntimeError(f"status {answer.status_code}: {line!r}")
            tell("message", id=message.get("id_str"), rules=len(message.get("matching_rules", [])))
        tell("disconnected")


{"rules": rules, "stream": stream}[sys.argv[1]]()
