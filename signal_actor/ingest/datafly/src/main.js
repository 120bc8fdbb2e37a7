// Main: the calls of the page, and what starts on its own.

import { readBanners } from './banners.js';
import { back, collect, flush, hear, hurry, start } from './collector.js';
import { contextOf, moment, pageOf, uuid } from './context.js';
import { currentUser, reset, setUser } from './identity.js';
import { catchUp, watch } from './navigation.js';
import { globalName, key, settings } from './settings.js';
import { complain, hide, leave } from './transport.js';

// Each takes the moment of the call first, then what the page has passed.
const calls = {
  track(when, event, properties) {
    if (!event) throw 'track needs a name';
    emit(when, { type: 'track', event: String(event), properties: properties || {} });
  },

  page(when, name, properties) {
    const more = isObject(name) ? name : properties;
    emit(when, {
      type: 'page',
      name: name && !isObject(name) ? String(name) : undefined,
      properties: Object.assign(pageOf(when), more),
    });
  },

  identify(when, userId, traits) {
    const more = (isObject(userId) ? userId : traits) || {};
    const id = isObject(userId) || userId == null || userId === '' ? currentUser().id : String(userId);
    if (!id) throw 'identify needs a user id';
    setUser(id, more);
    emit(when, { type: 'identify', traits: more });
  },

  group(when, groupId, traits) {
    if (groupId == null || groupId === '') throw 'group needs a group id';
    emit(when, { type: 'group', groupId: String(groupId), traits: traits || {} });
  },

  consent(when, consent) {
    hear('call', consent);
  },

  reset() {
    reset();
  },

  flush() {
    return flush();
  },

  ready(when, callback) {
    callback(api);
  },
};

const api = { pipelineKey: key };
for (const name in calls) api[name] = (...args) => call(name, moment(), args);

function emit(when, event) {
  const { id, traits } = currentUser();
  const context = contextOf(when);
  if (id && event.type !== 'identify') context.traits = traits;
  collect(Object.assign(event, { userId: id, messageId: uuid(), timestamp: new Date(when[0]).toISOString(), context }));
}

// A mistake in a call, or of ours, must not stop the page.
function call(name, when, args) {
  try {
    catchUp();
    return calls[name](when, ...args);
  } catch (error) {
    complain(error);
  }
}

function isObject(value) {
  return typeof value === 'object' && value !== null;
}

function again([name, args, when]) {
  call(name, when, args);
}

// The stub is an array of [name, arguments, moment]. Who has kept a reference to it finds the real calls on it.
function takeOver(names) {
  const stubs = new Set(names.map((name) => window[name]).filter(Array.isArray));
  for (const name of names) window[name] = api;
  const entries = [];
  for (const stub of stubs) {
    entries.push(...stub.splice(0));
    Object.assign(stub, api, { push: again });
  }
  return { time: entries.length ? entries[0][2][0] : Infinity, replay: () => entries.forEach(again) };
}

function begin(early) {
  start();
  readBanners(hear);
  const page = (when) => settings.autoPage && call('page', when, []);
  watch(() => page(moment()));
  const [, ...where] = moment();
  page([Math.min(Date.now(), early.time), ...where]); // it came before what happened on it
  early.replay();
  let gone = false; // a page that is left becomes hidden afterwards
  document.addEventListener('visibilitychange', () => {
    if (gone || document.visibilityState !== 'hidden') return;
    catchUp();
    hurry();
    hide();
  });
  addEventListener('pagehide', () => {
    gone = true;
    catchUp();
    hurry();
    leave();
  });
  addEventListener('pageshow', ({ persisted }) => {
    gone = false;
    if (!persisted) return;
    back();
    page(moment());
  });
  addEventListener('online', flush); // a hint; without it we go on trying
}

function main() {
  const there = window.datafly || {};
  const names = there.pipelineKey ? [globalName] : ['datafly', globalName];
  if (window[globalName] && window[globalName].pipelineKey === key) return; // included twice
  const early = takeOver(names);
  if (!key) return complain('the script tag has no data-pipeline-key');
  if (document.prerendering) document.addEventListener('prerenderingchange', () => begin(early), { once: true });
  else begin(early);
}

main();
