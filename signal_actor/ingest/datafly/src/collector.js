// Collector: the gate between a call and the queue. Until it opens, events wait in memory and nothing is stored.
//
// It opens when the page is really shown (not prerendered), consent allows it, and the visitor's id is settled.

import { NO, OPTIONAL, RECORD, YES, overhear, remember, remembered, report, verdict, view } from './consent.js';
import { current, forget, mirrored, settle, settleNow, statedId, stored } from './identity.js';
import { clear, put } from './queue.js';
import { settings } from './settings.js';
import { hasNotice, sendNow, sendSoon, tellWithdrawal } from './transport.js';

const MAX_WAITING = 500; // events
const MIRROR_PATIENCE = 1000; // ms that the mirrored SDK is given to start

let shown = false;
let open = false;
let opening = null;
let waiting = []; // [event, visitor]

export function collect(event) {
  if (verdict() === NO) return;
  if (open) return enqueue(event, current());
  // A copy, because the page may change its objects before the gate opens.
  waiting.push([JSON.parse(JSON.stringify(event)), current()]);
  if (waiting.length > MAX_WAITING) waiting.shift();
  tryToOpen();
}

function enqueue(event, visitor) {
  const consent = view();
  event.anonymousId = statedId(visitor);
  if (Object.keys(consent).length) event.context.consent = consent;
  if (put(visitor.id, JSON.stringify(event)) >= settings.batchSize) sendSoon(0);
  else sendSoon(settings.flushMs);
}

export function start() {
  shown = true;
  addEventListener('storage', ({ key }) => {
    if (key !== RECORD) return;
    overhear();
    apply(true);
  });
  if (hasNotice()) sendSoon(0);
  tryToOpen();
}

function tryToOpen() {
  if (!shown || open || opening || verdict() !== YES) return;
  opening = prepare().then(() => {
    opening = null;
    if (verdict() === YES) release();
    else if (verdict() === NO) forget(); // taken back meanwhile
  });
}

async function prepare() {
  await settle(isFresh());
  const end = Date.now() + MIRROR_PATIENCE;
  while (settings.mirror && !mirrored() && !open && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function release() {
  if (open) return;
  open = true;
  const ready = waiting;
  waiting = [];
  for (const [event, visitor] of ready) enqueue(event, visitor);
  sendSoon(settings.flushMs); // what earlier pages left
}

export function hear(source, consent) {
  report(source, consent);
  apply();
}

function apply(heardElsewhere) {
  const now = verdict();
  const consent = view();
  const visitor = stored();
  const before = remembered();
  const known = before.consent || {};
  const withdrawn = OPTIONAL.some((category) => consent[category] === false && known[category] !== false);
  if (!heardElsewhere) remember(now === NO || (before.withdrawn && !visitor));
  if (now === NO) {
    open = false;
    waiting = [];
    clear();
    forget();
  }
  // A visitor that never had an id has sent nothing that could be taken back.
  if (withdrawn && visitor) tellWithdrawal(consent, now === NO, visitor);
  tryToOpen();
}

// Back from the back-forward cache, where no storage event arrives.
export function back() {
  overhear();
  apply(true);
}

// After a withdrawal the next grant starts a new visitor, even if the service has not dropped its cookie yet.
function isFresh() {
  return !!remembered().withdrawn;
}

export async function flush() {
  await opening;
  await sendNow();
}

// The page may be gone any moment: no time to wait for a lock or another SDK.
export function hurry() {
  if (shown && !open && verdict() === YES) {
    settleNow(isFresh());
    release();
  }
}
