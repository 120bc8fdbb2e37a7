// Navigation: a page event for every page that the visitor sees, whoever changes the address.

import { cameFrom } from './context.js';

const TITLE_PATIENCE = 50; // ms; frameworks set the title after they have changed the address

let path;
let address;
let titleTimer = 0;
let announce;

export function watch(onPage) {
  announce = onPage;
  noteAddress();
  for (const name of ['pushState', 'replaceState']) {
    const original = history[name];
    history[name] = function (...args) {
      const result = original.apply(this, args);
      moved();
      return result;
    };
  }
  addEventListener('popstate', moved);
}

// The page event that waits for its title goes before any other event.
export function catchUp() {
  if (!titleTimer) return;
  clearTimeout(titleTimer);
  titleTimer = 0;
  announce();
}

function moved() {
  if (location.pathname === path) return;
  catchUp();
  cameFrom(address);
  noteAddress();
  titleTimer = setTimeout(catchUp, TITLE_PATIENCE);
}

function noteAddress() {
  path = location.pathname;
  address = location.href;
}
