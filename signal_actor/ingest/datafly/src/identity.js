// Identity: who the visitor is, as far as a script can know.
//
// The visitor's id is the HttpOnly cookie `_dfid`, which the service sets and no script can read. Beside it the browser
// keeps an id of its own, the cookie `_df_aid` with a copy in localStorage. It has one of two ranks:
//
//   fallback   used by the service where no `_dfid` arrives: on a first page, where all requests that race, from
//              whichever tab, bring the same one; and on a data host of another site, which gets no cookie at all.
//   pinned     outranks `_dfid`: after reset() and after a withdrawal of consent, which start a new visitor.
//
// So a cleared localStorage costs nothing while `_dfid` lives, and a lost `_dfid` nothing while `_df_aid` lives.

import { uuid } from './context.js';
import { exclusively, hasLocks } from './locks.js';
import { key, settings } from './settings.js';
import { local, readCookie, removeCookie, writeCookie } from './storage.js';

const ID = '_df_aid';
const USER = '_df_user.' + key;
const SKIP = '_df_skip.' + key;
const PIN = '~'; // ends the stored form of a pinned id
const COOKIE_SECONDS = 34560000; // 400 days in seconds, the most that browsers keep a cookie
const RACE = 100; // ms; how long two tabs without locks may need to see each other's cookie

let visitor = {}; // who it is now: {id, pinned}; empty until it is settled. Calls hold on to the object of their moment.
let first = visitor; // who it was when the page loaded
let user = null; // {id, traits}, while it is not in storage
let skipped = ''; // the mirrored id that a reset has left behind
let settled = false;

// Finds the id in storage or makes one, one tab at a time. Nothing is stored before this is called.
export async function settle(pinned) {
  await exclusively('datafly.id', async () => {
    adopt(first, save(stored() || { id: uuid(), pinned })); // saving again also renews the cookie's 400 days
    if (!hasLocks) {
      await new Promise((resolve) => setTimeout(resolve, RACE));
      adopt(first, stored());
    }
  });
  settleNow(pinned);
}

// What can be done at once, for a page that is going away.
export function settleNow(pinned) {
  if (settled) return;
  settled = true;
  for (const one of [first, visitor]) if (!one.id) adopt(one, stored() || { id: uuid(), pinned });
  save(visitor);
  if (user) setUser(user.id, user.traits);
  if (skipped) local.set(SKIP, skipped);
}

// The visitor of this moment. Another tab may have started a new one.
export function current() {
  const now = settled && stored();
  if (now && now.id !== visitor.id) visitor = now;
  return visitor;
}

export function currentUser() {
  return user || (settled && local.json(USER)) || {};
}

export function setUser(id, traits) {
  const before = currentUser();
  user = { id, traits: Object.assign({}, before.id === id && before.traits, traits) };
  if (settled && local.set(USER, JSON.stringify(user))) user = null; // storage is shared with the other tabs
}

// The id that an event states, which the service takes before `_dfid`; none for a visitor whose id is a fallback.
export function statedId(of) {
  const theirs = mirrored();
  return theirs && theirs !== (skipped || local.get(SKIP)) ? theirs : of.pinned ? of.id : undefined;
}

// The id that the Ninetailed SDK keeps in this browser, for one profile on both ways.
export function mirrored() {
  if (settings.mirror !== 'ninetailed') return '';
  return (readCookie('ntaid') || local.get('__nt_anonymous_id__') || '').replace(/^"|"$/g, '');
}

export function reset() {
  skipped = mirrored(); // it is the visitor of before until Ninetailed has a new one too
  visitor = { id: uuid(), pinned: true };
  user = null;
  local.remove(USER);
  if (!settled) return;
  save(visitor);
  if (skipped) local.set(SKIP, skipped);
}

// Leaves nothing behind; returns what there was.
export function forget() {
  const before = stored();
  removeCookie(ID);
  for (const name of [ID, USER, SKIP]) local.remove(name);
  first = visitor = {};
  user = null;
  skipped = '';
  settled = false;
  return before;
}

export function stored() {
  const text = readCookie(ID) || local.get(ID);
  return text && { id: text.replace(PIN, ''), pinned: text.endsWith(PIN) };
}

function save(of) {
  const text = of.id + (of.pinned ? PIN : '');
  writeCookie(ID, text, COOKIE_SECONDS);
  local.set(ID, text);
  // Reading it back orders the write before the release of the lock, whichever process the other tab lives in.
  return stored() || of;
}

function adopt(target, from) {
  if (from) Object.assign(target, from);
}
