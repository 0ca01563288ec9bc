"""Filtered Stream by X's own Python SDK."""

import sys

from xdk import Client
from xdk.stream.models import UpdateRulesRequest
from xdk.streaming import StreamConfig

from tell import BASE_URL, RULES, TOKEN, tell

client = Client(base_url=BASE_URL, bearer_token=TOKEN)


def rules():
    answer = client.stream.update_rules(body=UpdateRulesRequest(add=RULES))
    tell("added", count=len(answer.data or []))
    listed = [rule for page in client.stream.get_rules() for rule in page.data or []]
    value = lambda rule: rule["value"] if isinstance(rule, dict) else rule.value
    identity = lambda rule: rule["id"] if isinstance(rule, dict) else rule.id
    tell("listed", values=sorted(map(value, listed)))
    ids = [identity(rule) for rule in listed if value(rule) == RULES[1]["value"]]
    answer = client.stream.update_rules(body=UpdateRulesRequest(delete={"ids": ids}))
    summary = answer.meta["summary"] if isinstance(answer.meta, dict) else answer.meta.summary
    tell("deleted", count=summary["deleted"] if isinstance(summary, dict) else summary.deleted)


def stream():
    config = StreamConfig(
        on_connect=lambda: tell("connected", status=200),
        on_disconnect=lambda error: tell("disconnected"),
        on_error=lambda error: tell("error", status=error.status_code, text=str(error)[:200]),
    )
    for message in client.stream.posts(stream_config=config):
        post = message.data if hasattr(message, "data") else message.get("data")
        identity = post.get("id") if isinstance(post, dict) else getattr(post, "id", None)
        tell("message", id=identity)


{"rules": rules, "stream": stream}[sys.argv[1]]()
