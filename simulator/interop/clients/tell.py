"""Code of all Python clients: the address of the simulator, and reports to the driver."""

import json
import os
import threading

BASE_URL = os.environ["BASE_URL"]
TOKEN = os.environ.get("TOKEN", "any")

#: Every client deletes the second one again.
RULES = [
    {"value": "(trains OR kitchen OR radios OR repairs) lang:en", "tag": "english"},
    {"value": "(walrus OR narwhal) -is:retweet", "tag": "to be deleted"},
]


#: `print` writes a line and its end separately, so the output of threads could mix.
PRINTING = threading.Lock()


def tell(event, **what):
    """Prints one line of JSON for the driver, from any thread."""
    with PRINTING:
        print(json.dumps({"event": event, **what}), flush=True)


def redirect(session):
    """Redirects a session from X's API to the simulator, for libraries with a fixed address."""
    send = session.send

    def redirected(request, **options):
        for origin in ("https://api.twitter.com", "https://api.x.com"):
            if request.url.startswith(origin):
                request.url = BASE_URL + request.url[len(origin) :]
        return send(request, **options)

    session.send = redirected


