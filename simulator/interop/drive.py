"""Runs third-party clients against the simulator: first what must work, then how each handles faults.

`run` installs the clients and calls this. The exit code is 1 if something that must work fails. How a
client handles a fault is only printed. All clients run in parallel, each with its own simulator.
"""

import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
CLIENTS = HERE / "clients"

POWERSTREAM = os.environ["POWERSTREAM"]
PYTHON = os.environ["INTEROP_PYTHON"]
NODE_MODULES = os.environ["INTEROP_NODE_MODULES"]

#: The two rules that every client adds. It deletes the second one again.
KEPT = "(trains OR kitchen OR radios OR repairs) lang:en"
DELETED = "(walrus OR narwhal) -is:retweet"

#: Name, command, API, and whether the client reports keep-alives.
FOREIGN = [
    ("quick start (requests)", [PYTHON, str(CLIENTS / "quick_start.py")], "powerstream", True),
    ("tweepy", [PYTHON, str(CLIENTS / "tweepy_client.py")], "filtered-stream", True),
    ("xdk", [PYTHON, str(CLIENTS / "xdk_client.py")], "filtered-stream", False),
    ("twitter-api-v2", ["node", str(CLIENTS / "twitter_api_v2.cjs")], "filtered-stream", True),
    ("curl", [PYTHON, str(CLIENTS / "curl.py")], "powerstream", True),
]
OURS = ("powerstream (this project)", [PYTHON, str(CLIENTS / "ours.py")], "powerstream", True)


class Process:
    """A child process whose output lines are stored with their times."""

    def __init__(self, command, stderr=subprocess.PIPE, **environment):
        environment = {**os.environ, **environment}
        self.child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, env=environment
        )
        self.lines, self.errors = [], []
        self.threads = [self.keep(self.child.stdout, self.lines), self.keep(self.child.stderr, self.errors)]

    @staticmethod
    def keep(pipe, lines):
        def read():
            for line in pipe:
                lines.append((time.monotonic(), line.decode(errors="replace").rstrip("\n")))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def stop(self, how=signal.SIGTERM):
        """Ends the process. Returns true if it was still running."""
        running = self.child.poll() is None
        if running:
            self.child.send_signal(how)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait()
        for thread in self.threads:
            thread.join(5)
        return running


class Simulator:
    """`powerstream simulate` with these options."""

    def __init__(self, *options):
        self.process = Process([POWERSTREAM, "simulate", "--listen", "127.0.0.1:0", *options])
        until = time.monotonic() + 10
        while not self.process.lines:
            if time.monotonic() > until or self.process.child.poll() is not None:
                self.process.stop()
                raise RuntimeError(f"the simulator did not start: {self.process.errors}")
            time.sleep(0.01)
        self.url = self.process.lines[0][1].removeprefix("listening on ")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def asked(self):
        """Returns the connections with a request for a stream, accepted or refused."""
        with urllib.request.urlopen(f"{self.url}/simulator/connections") as answer:
            connections = json.load(answer)
        other = ("/simulator/", "/rules")
        is_stream = lambda target: target and not any(part in target for part in other)
        return [connection for connection in connections if is_stream(connection["target"])]

    def attempts(self):
        return len(self.asked())

    def sent(self):
        """Returns the ids of the sent Posts in order, by connection."""
        sent = []
        for connection in self.asked():
            url = f"{self.url}/simulator/truth?connection={connection['connection']}"
            with urllib.request.urlopen(url) as answer:
                messages = [json.loads(line) for line in answer]
            sent.append([message["post_id"] for message in messages if message["post_id"]])
        return sent

    def stop(self):
        self.process.stop(signal.SIGINT)


class Client:
    """The events that a client reports."""

    def __init__(self, command, verb, url):
        self.process = Process([*command, verb], BASE_URL=url, NODE_PATH=NODE_MODULES, POWERSTREAM=POWERSTREAM)

    def events(self):
        events = []
        for at, line in list(self.process.lines):
            try:
                events.append((at, json.loads(line)))
            except json.JSONDecodeError:
                events.append((at, {"event": "unreadable", "line": line}))
        return events

    def of(self, kind):
        return [(at, event) for at, event in self.events() if event.get("event") == kind]

    def wait(self, condition, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if condition(self):
                return True
            if self.process.child.poll() is not None:
                break
            time.sleep(0.05)
        return condition(self)

    def is_running(self):
        return self.process.child.poll() is None

    def stop(self):
        return self.process.stop()

    def words(self):
        """Returns the last lines of standard error."""
        return " ".join(line for _, line in self.process.errors[-3:])[:400]


def check(wrong, what, holds):
    if not holds:
        wrong.append(what)


def must_work(name, command, api, reports_keep_alives):
    """Checks rules, Posts, keep-alives and a disconnect. Returns what is wrong, as texts."""
    wrong = []
    with Simulator("--rate", "500", "--keep-alive", "1s", "--seed", "5") as simulator:
        rules = Client(command, "rules", simulator.url)
        rules.wait(lambda client: client.of("deleted"), 60)
        rules.stop()
        found = {event["event"]: event for _, event in rules.events()}
        check(wrong, "2 rules added", found.get("added", {}).get("count") == 2)
        check(wrong, "2 rules listed", found.get("listed", {}).get("values") == sorted([KEPT, DELETED]))
        check(wrong, "1 rule deleted", found.get("deleted", {}).get("count") == 1)
        if wrong:
            return [f"{what} ({rules.events()} {rules.words()})" for what in wrong]

        stream = Client(command, "stream", simulator.url)
        check(wrong, "20 Posts", stream.wait(lambda client: len(client.of("message")) >= 20, 40))
        ids = [event.get("id") for _, event in stream.of("message")]
        sent = simulator.sent()
        check(wrong, "the Posts that were sent, each once, in their order", sent and ids == sent[0][: len(ids)])
        check(wrong, "one connection", len(sent) == 1)
        stream.stop()
        if wrong:
            wrong.append(stream.words())

    # Only keep-alives. Filtered Stream requires a rule.
    with Simulator("--rate", "0", "--keep-alive", "500ms") as simulator:
        add_rules(command, simulator.url, api)
        stream = Client(command, "stream", simulator.url)
        if reports_keep_alives:
            check(wrong, "keep-alives", stream.wait(lambda client: len(client.of("keep_alive")) >= 2, 20))
        else:
            got_some = lambda _: sum(connection["keep_alives"] for connection in simulator.asked()) >= 4
            check(wrong, "keep-alives sent to it", stream.wait(got_some, 20))
            is_on = stream.is_running() and len(stream.of("connected")) == 1 and not stream.of("disconnected")
            check(wrong, "connected through keep-alives", is_on and simulator.attempts() == 1)
        stream.stop()

    # The server ends the stream properly.
    with Simulator("--rate", "200", "--scenario", "reset", "--fault-after", "10") as simulator:
        add_rules(command, simulator.url, api)
        stream = Client(command, "stream", simulator.url)
        met = lambda client: client.of("disconnected") or client.process.child.poll() is not None
        check(wrong, "a disconnect noticed", stream.wait(met, 30))
        check(wrong, "Posts before the disconnect", len(stream.of("message")) > 0)
        stream.stop()
    return wrong


def add_rules(command, url, api):
    if api == "filtered-stream":
        rules = Client(command, "rules", url)
        rules.wait(lambda client: client.of("deleted"), 60)
        rules.stop()


def posts_files(folder):
    """Writes Posts with characters that some readers take for line ends, one file per API. Returns the ids."""
    paths, ids = {api: folder / f"{api}.ndjson" for api in ("powerstream", "filtered-stream")}, []
    with open(paths["powerstream"], "w", encoding="utf-8") as legacy, open(
        paths["filtered-stream"], "w", encoding="utf-8"
    ) as v2:
        for number in range(200):
            identity = 1_986_936_281_234_567_890 + number
            ids.append(str(identity))
            text = f"Post {number} of trains \u2028 line separator \x85 next line \u00e4\U0001f431 " + "x" * (number * 40)
            post = {
                "created_at": "Fri Nov 07 23:18:19 +0000 2025",
                "id": identity,
                "id_str": str(identity),
                "text": text,
                "lang": "en",
                "user": {"id": 12, "id_str": "12", "screen_name": "jack", "name": "jack"},
                "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
            }
            legacy.write(json.dumps(post, ensure_ascii=False) + "\n")
            data = {"id": str(identity), "edit_history_tweet_ids": [str(identity)], "text": text, "lang": "en"}
            v2.write(json.dumps({"data": data}, ensure_ascii=False) + "\n")
    return paths, ids


def delivered(posts, *options):
    """Checks whether every Post arrives once in a scenario without faults."""

    def observe(command, api):
        paths, ids = posts
        with Simulator("--posts", str(paths[api]), "--keep-alive", "1s", *options) as simulator:
            add_rules(command, simulator.url, api)
            stream = Client(command, "stream", simulator.url)
            stream.wait(lambda client: simulator.attempts() > 0, 60)
            # Until all Posts arrived, or none for a while.
            count, since = 0, time.monotonic()
            while count < len(ids) and time.monotonic() - since < 6 and stream.is_running():
                time.sleep(0.1)
                if len(stream.of("message")) > count:
                    count, since = len(stream.of("message")), time.monotonic()
            exited = not stream.stop()
            seen = [event.get("id") for _, event in stream.of("message")]
        missing = len(set(ids) - set(seen))
        more = len(seen) - len(set(seen))
        end = "; then exits" if exited else ""
        if not missing:
            return ("every Post" if not more else f"every Post, and {more} duplicates") + end
        return f"{missing} of {len(ids)} Posts missing{end}"

    return observe


def attempts(seconds, *options):
    """Counts the requests to a server that refuses them, in a time from the first one."""

    def observe(command, api):
        with Simulator("--fault-on", "every", *options) as simulator:
            add_rules(command, simulator.url, api)
            stream = Client(command, "stream", simulator.url)
            stream.wait(lambda client: simulator.attempts() > 0, 60)
            time.sleep(seconds)
            count = simulator.attempts()
            running = stream.stop()
        return f"{count} requests in {seconds} s" + ("" if running else ", then exits")

    return observe


def silence(command, api):
    """Measures when the client notices a stream without Posts and keep-alives."""
    with Simulator("--scenario", "stall", "--fault-after", "20", "--rate", "200") as simulator:
        add_rules(command, simulator.url, api)
        stream = Client(command, "stream", simulator.url)
        noticed = lambda client: client.of("disconnected") or client.of("error")
        stream.wait(lambda client: len(client.of("message")) > 0, 60)
        stream.wait(noticed, 35)
        messages, reported = stream.of("message"), noticed(stream)
        running = stream.stop()
    if reported and messages:
        # A client that reconnects at once has later messages, too.
        last = max((at for at, _ in messages if at <= reported[0][0]), default=reported[0][0])
        return f"noticed after {reported[0][0] - last:.0f} s"
    return "unnoticed for 35 s" if running else "exited"


def after_reset(command, api):
    """Checks whether the client reconnects after a reset in mid-stream."""
    with Simulator("--scenario", "reset", "--fault-after", "20", "--rate", "200") as simulator:
        add_rules(command, simulator.url, api)
        stream = Client(command, "stream", simulator.url)
        back = lambda client: len(client.of("message")) > 40
        stream.wait(lambda client: len(client.of("message")) > 0, 60)
        came_back = stream.wait(back, 15)
        reported = bool(stream.of("disconnected") or stream.of("error") or stream.of("exception"))
        stream.stop()
    return ("reconnects" if came_back else "does not reconnect") + (", reports the fault" if reported else ", without a report")


def faults(folder):
    posts = posts_files(folder)
    return [
        ("line separators in Posts", delivered(posts)),
        ("chunks cut anywhere", delivered(posts, "--scenario", "split")),
        ("many Posts a chunk", delivered(posts, "--scenario", "coalesce")),
        ("junk between Posts", delivered(posts, "--scenario", "malformed", "--fault-after", "20")),
        ("unknown messages", delivered(posts, "--scenario", "unknown-messages", "--fault-after", "20")),
        ("reset in mid-stream", after_reset),
        ("silent stall", silence),
        ("200, then close", attempts(5, "--scenario", "accept-close")),
        ("429", attempts(10, "--scenario", "rate-limited")),
        ("503", attempts(10, "--scenario", "unavailable")),
    ]


def main():
    # The total time is that of the longest case.
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=8)
    with tempfile.TemporaryDirectory() as folder:
        clients = [*FOREIGN, OURS]
        works = {name: pool.submit(must_work, name, *rest) for name, *rest in clients}
        failed = False
        print("Required: adding, listing and deleting rules; Posts; keep-alives; a disconnect")
        for name, future in works.items():
            wrong = future.result()
            failed |= bool(wrong)
            print(f"  {name}: {'ok' if not wrong else 'FAILED: ' + '; '.join(wrong)}", flush=True)

        print("How each client handles faults")
        rows = faults(pathlib.Path(folder))
        futures = {
            (fault, name): pool.submit(observe, command, api)
            for fault, observe in rows
            for name, command, api, _ in clients
        }
        for fault, _ in rows:
            print(f"  {fault}")
            for name, *_ in clients:
                print(f"    {name}: {futures[fault, name].result()}", flush=True)
    passed = sum(1 for future in works.values() if not future.result())
    print(f"\n{passed} passed, {len(works) - passed} failed")
    return 1 if failed else 0


sys.exit(main())
