"""What the Python clients share: where the simulator is, and how they tell the driver what they see."""

import json
import os
import threading

BASE_URL = os.environ["BASE_URL"]
TOKEN = os.environ.get("TOKEN", "any")

#: The second is deleted again by every client.
RULES = [
    {"value": "(trains OR kitchen OR radios OR repairs) lang:en", "tag": "english"},
    {"value": "(walrus OR narwhal) -is:retweet", "tag": "to be deleted"},
]


#: `print` writes a line and its end apart, and what another thread prints may come between.
PRINTING = threading.Lock()


def tell(event, **what):
    """One line of JSON for the driver, from any thread."""
    with PRINTING:
        print(json.dumps({"event": event, **what}), flush=True)


def redirect(session):
    """Sends the session's requests for X's API to the simulator, for libraries that know no other address."""
    send = session.send

    def redirected(request, **options):
        for origin in ("https://api.twitter.com", "https://api.x.com"):
            if request.url.startswith(origin):
                request.url = BASE_URL + request.url[len(origin) :]
        return send(request, **options)

    session.send = redirected


