// Transport: from the queue to the service, in batches, until the service has answered for every event.
//
// The body is text/plain with the key inside, so that no preflight is needed and a beacon can carry the same.

import { exclusively } from './locks.js';
import { list, remove } from './queue.js';
import { endpoint, key, settings } from './settings.js';
import { local } from './storage.js';

const MAX_BYTES = 60000; // browsers allow 65536 for all bodies in flight that may outlive the page
const ENVELOPE = 300; // bytes around the events
const TIMEOUT = 30000; // ms
const FIRST_RETRY = 1000; // ms, doubled with every failure
const LAST_RETRY = 60000;
const LONGEST_WAIT = 3600e3; // more is not believed

const ORDERED = '_df_until.' + key;
const NOTICE = '_df_notice.' + key; // a withdrawal that the service has not heard of yet
let notice = null; // the same with the visitor's id, which is not stored any more

const keepsAlive = 'keepalive' in Request.prototype;
const inFlight = new Set(); // names of events
let limit = settings.batchSize;
let failures = 0;
let patientUntil = 0; // after a failure
let orderedUntil = 0; // the service has said so; for all tabs, and for the pages to come, hence also in storage
let alarm;
let due = Infinity;
let sending = null;

export function sendSoon(delay) {
  const at = Math.max(Date.now() + delay, patientUntil, ordered());
  if (at >= due) return;
  clearTimeout(alarm);
  due = at;
  alarm = setTimeout(wake, at - Date.now());
}

// At once, unless the service has asked to wait. The promise ends when everything is answered for, or has to wait.
export function sendNow() {
  if (Date.now() < ordered()) return Promise.resolve(sendSoon(0));
  return send();
}

function ordered() {
  const told = Math.max(orderedUntil, +local.get(ORDERED));
  return told - Date.now() > LONGEST_WAIT ? 0 : told; // the clock has been put back
}

// The visitor has taken back consent. `visitor` is who it was.
export function tellWithdrawal(consent, forget, visitor) {
  notice = { consent, forget, visitor };
  local.set(NOTICE, JSON.stringify({ consent, forget }));
  sendSoon(0);
}

export function hasNotice() {
  return !!(notice || local.get(NOTICE));
}

// The page may be gone any moment. A keepalive request outlives it like a beacon does, and tells the outcome if it lives.
export function hide() {
  if (keepsAlive) sendNow();
  else leave();
}

// The page goes. A beacon's outcome is unknown, so its events stay in the queue for the next page. What other pages
// have left goes too, because it is older, and what is in flight, lest the beacon overtakes it, if the browser lets us.
export function leave() {
  if (Date.now() < ordered()) return;
  const gone = new Set();
  for (let batch; (batch = nextBatch(gone)); ) {
    let names = batch.names;
    if (!beacon(batch.body)) {
      names = Array.from(inFlight).filter((name) => !gone.has(name));
      if (!names.length) return;
    }
    names.forEach((name) => gone.add(name));
  }
}

// Patience may have grown since the alarm was set.
function wake() {
  due = Infinity;
  if (Date.now() < Math.max(patientUntil, ordered())) sendSoon(0);
  else send();
}

function send() {
  clearTimeout(alarm);
  due = Infinity;
  // A lock that is asked for in vain would keep a page out of the back-forward cache.
  if (!sending && nextBatch(inFlight)) {
    sending = exclusively('datafly.send.' + key, drain)
      .catch(complain)
      .then(() => {
        sending = null;
        if (nextBatch(inFlight)) sendSoon(settings.flushMs);
      });
  }
  return sending || Promise.resolve();
}

async function drain() {
  for (let batch; (batch = nextBatch(inFlight)); ) {
    batch.names.forEach((name) => inFlight.add(name));
    const reply = await post(batch.body);
    batch.names.forEach((name) => inFlight.delete(name));
    if (!conclude(batch, reply)) return;
  }
}

// Says whether to go on.
function conclude(batch, { status, wait, answer }) {
  const size = batch.names.length;
  if (status === 200 && answer.success === true) {
    for (const { index, error, message } of answer.rejected || []) complain('event ' + index + ': ' + error + ': ' + message);
    limit = Math.min(settings.batchSize, limit * 2);
  } else if (status === 413 && size > 1) {
    limit = Math.ceil(size / 2);
    return true;
  } else if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    complain(status + ' ' + answer.error + ': ' + answer.message + ' (' + size + ' events dropped)');
  } else {
    const patience = Math.random() * Math.min(LAST_RETRY, FIRST_RETRY * 2 ** failures++);
    if (wait > 0) local.set(ORDERED, (orderedUntil = Date.now() + Math.min(wait * 1000, LONGEST_WAIT)));
    else patientUntil = Date.now() + patience;
    return false;
  }
  failures = patientUntil = 0;
  done(batch);
  return true;
}

function done({ names, forNotice }) {
  remove(names);
  if (forNotice) {
    notice = null;
    local.remove(NOTICE);
  }
}

async function post(body) {
  const impatience = new AbortController();
  const patience = setTimeout(() => impatience.abort(), TIMEOUT);
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      body,
      credentials: 'include',
      keepalive: bytes(body) < MAX_BYTES,
      redirect: 'error', // followed, a POST becomes a GET and the events are gone
      signal: impatience.signal,
    });
    return {
      status: response.status,
      wait: parseInt(response.headers.get('Retry-After'), 10),
      answer: await response.json().catch(() => ({})),
    };
  } catch {
    return { status: 0, answer: {} };
  } finally {
    clearTimeout(patience);
  }
}

function beacon(body) {
  try {
    return navigator.sendBeacon(endpoint, body);
  } catch {
    return false;
  }
}

// Events of one fallback id, or a withdrawal, which goes first and alone.
function nextBatch(except) {
  const said = notice || local.json(NOTICE);
  if (said) return except.has(NOTICE) ? null : noticeOf(said);
  const batch = [];
  let size = ENVELOPE;
  for (const entry of list()) {
    if (except.has(entry.name)) continue;
    size += bytes(entry.json) + 1;
    if (batch.length && (batch.length >= limit || size > MAX_BYTES || entry.visitor !== batch[0].visitor)) break;
    batch.push(entry);
  }
  if (!batch.length) return null;
  return {
    names: batch.map((entry) => entry.name),
    body: envelope(batch[0].visitor, {}, batch.map((entry) => entry.json).join()),
  };
}

function noticeOf({ consent, forget, visitor }) {
  const { id, pinned } = visitor || {};
  const more = { context: { consent }, forget, anonymousId: pinned ? id : undefined };
  return { names: [NOTICE], forNotice: true, body: envelope(id, more, '') };
}

// The events are JSON already.
function envelope(fallbackAnonymousId, more, events) {
  const head = Object.assign({ writeKey: key, sentAt: new Date().toISOString(), fallbackAnonymousId }, more);
  return JSON.stringify(head).slice(0, -1) + ',"batch":[' + events + ']}';
}

function bytes(text) {
  return new Blob([text]).size;
}

export function complain(problem) {
  console.error('[datafly]', problem);
}
