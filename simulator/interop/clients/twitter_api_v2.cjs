// Filtered Stream by node-twitter-api-v2.

const { TwitterApi, ETwitterStreamEvent } = require('twitter-api-v2');

const { BASE_URL, TOKEN = 'any' } = process.env;
const RULES = [
  { value: '(trains OR kitchen OR radios OR repairs) lang:en', tag: 'english' },
  { value: '(walrus OR narwhal) -is:retweet', tag: 'to be deleted' },
];

const tell = (event, what = {}) => console.log(JSON.stringify({ event, ...what }));

// Its address is fixed to X's over TLS, so requests are redirected to the simulator.
const http = require('node:http');
const https = require('node:https');
const there = new URL(BASE_URL);
https.request = (options, answered) => {
  const { agent, ...rest } = options;
  const headers = { ...rest.headers };
  return http.request(
    { ...rest, headers, protocol: 'http:', hostname: there.hostname, host: there.hostname, port: there.port },
    answered,
  );
};

const client = new TwitterApi(TOKEN).v2;

async function rules() {
  const added = await client.updateStreamRules({ add: RULES });
  tell('added', { count: (added.data ?? []).length });
  const listed = (await client.streamRules()).data ?? [];
  tell('listed', { values: listed.map(rule => rule.value).sort() });
  const ids = listed.filter(rule => rule.value === RULES[1].value).map(rule => rule.id);
  const deleted = await client.updateStreamRules({ delete: { ids } });
  tell('deleted', { count: deleted.meta.summary.deleted });
}

async function stream() {
  const events = await client.searchStream({ autoConnect: false });
  events.autoReconnect = true;
  events.on(ETwitterStreamEvent.Connected, () => tell('connected', { status: 200 }));
  events.on(ETwitterStreamEvent.Reconnected, () => tell('connected', { status: 200 }));
  events.on(ETwitterStreamEvent.Data, message => tell('message', { id: message.data?.id }));
  events.on(ETwitterStreamEvent.DataKeepAlive, () => tell('keep_alive'));
  events.on(ETwitterStreamEvent.ConnectionClosed, () => tell('disconnected'));
  events.on(ETwitterStreamEvent.ConnectionLost, () => tell('disconnected'));
  events.on(ETwitterStreamEvent.ConnectionError, () => tell('disconnected'));
  events.on(ETwitterStreamEvent.DataError, error => tell('error', { text: String(error).slice(0, 200) }));
  await events.connect({ autoReconnect: true });
}

({ rules, stream })[process.argv[2]]().catch(error => {
  tell('exception', { text: String(error).slice(0, 200) });
  process.exit(1);
});
