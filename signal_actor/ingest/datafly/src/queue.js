// Queue: the events that the service has not acknowledged, in localStorage, in the order of their calls.
//
// One name per event, so that adding and removing are single writes that no other tab can undo. All tabs add, any tab
// may send; an event goes only when the service has answered for it. What a lost answer makes us repeat is recognised
// there by its messageId, for as long as its de-duplication window is open; hence MAX_EVENT_AGE.

import { hasLocks } from './locks.js';
import { key } from './settings.js';
import { local } from './storage.js';

const PREFIX = '_df_q.' + key + '.';
const MAX_EVENTS = 500;
const MAX_EVENT_AGE = 47 * 3600e3; // ms; an hour less than the service remembers a messageId
const ABANDONED = 30000; // ms; without locks, another tab's event is left to that tab until then
const TAB = Math.random().toString(36).slice(2, 6);

const unstored = new Map(); // what localStorage would not take
let counter = 0;

// `visitor` is the fallback id that goes with the event.
export function put(visitor, json) {
  const name = PREFIX + [stamp(Date.now()), stamp(counter++), TAB].join('-');
  const waiting = names();
  if (waiting.length >= MAX_EVENTS) remove(waiting.slice(0, waiting.length - MAX_EVENTS + 1));
  const value = visitor + ' ' + json;
  if (!local.set(name, value)) unstored.set(name, value);
  return waiting.length + 1;
}

// Oldest first: {name, visitor, json}.
export function list() {
  const now = Date.now();
  const found = [];
  for (const name of names()) {
    const [time, , tab] = name.slice(PREFIX.length).split('-');
    const age = now - parseInt(time, 36);
    if (age > MAX_EVENT_AGE) remove([name]);
    else if (tab === TAB || hasLocks || age > ABANDONED) {
      const value = unstored.get(name) || local.get(name) || '';
      const space = value.indexOf(' ');
      if (space > 0) found.push({ name, visitor: value.slice(0, space), json: value.slice(space + 1) });
    }
  }
  return found;
}

export function remove(gone) {
  for (const name of gone) {
    unstored.delete(name);
    local.remove(name);
  }
}

export function clear() {
  remove(names());
}

function names() {
  return local.names(PREFIX).concat(Array.from(unstored.keys())).sort();
}

// Sorts as text like the number.
function stamp(number) {
  return number.toString(36).padStart(9, '0');
}
