"""Filtered Stream by tweepy's StreamingClient."""

import sys

import tweepy

from tell import RULES, TOKEN, redirect, tell


class Client(tweepy.StreamingClient):
    def on_connect(self):
        tell("connected", status=200)

    def on_tweet(self, tweet):
        tell("message", id=str(tweet.id))

    def on_matching_rules(self, matching_rules):
        tell("rules", count=len(matching_rules))

    def on_errors(self, errors):
        tell("errors", count=len(errors))

    def on_keep_alive(self):
        tell("keep_alive")

    def on_closed(self, response):
        tell("disconnected")

    def on_connection_error(self):
        tell("disconnected")

    def on_request_error(self, status_code):
        tell("refused", status=status_code)

    def on_exception(self, exception):
        tell("exception", text=repr(exception)[:200])


client = Client(TOKEN)
redirect(client.session)


def rules():
    answer = client.add_rules([tweepy.StreamRule(**rule) for rule in RULES])
    added = answer.data or []
    tell("added", count=len(added))
    listed = client.get_rules().data or []
    tell("listed", values=sorted(rule.value for rule in listed))
    answer = client.delete_rules([rule.id for rule in listed if rule.value == RULES[1]["value"]])
    tell("deleted", count=answer.meta["summary"]["deleted"])


{"rules": rules, "stream": client.filter}[sys.argv[1]]()
