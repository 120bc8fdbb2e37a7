// Watch: beside the shop, what just happened to each event. The server of the shop reads it from the database.

import { h, memory } from './dom.js';
import { story } from './story.js';

const PERIOD = 700; // ms
const NAMES = { ninetailed: 'Ninetailed', insider: 'Insider', ometria: 'Ometria', webhook: 'Webhook' };

const rows = new Map(); // event id -> {element, deliveries, text}
let tripped = {};

export function watch(aside) {
  const state = h('span', { class: 'state', role: 'status' });
  const bar = h('button', { class: 'bar', 'aria-expanded': 'false', 'aria-controls': 'events', onclick: () => {
    bar.setAttribute('aria-expanded', String(aside.classList.toggle('open')));
  } }, h('b', {}, 'What just happened'), state);
  const hint = h('p', { class: 'hint' });
  const list = h('ol', { id: 'events' });
  const trips = h('div', { class: 'trips' });
  aside.append(bar, h('div', { class: 'body' }, hint, list, h('div', { class: 'trip' }, h('span', {}, 'Trip one up:'), trips)));

  const advise = () => {
    const consent = memory.get('consent');
    hint.textContent = !consent
      ? 'Your own events wait in this page until you have answered the banner. These are of an earlier visitor.'
      : Object.values(consent).some(Boolean) ? '' : 'You refused: nothing of yours is collected or sent.';
    hint.hidden = !hint.textContent;
  };
  addEventListener('shop:consent', advise);
  advise();

  const tick = async () => {
    if (!document.hidden) {
      try {
        const { events, tripped: now } = await (await fetch('/happened')).json();
        tripped = now;
        drawEvents(list, events);
        drawTrips(trips);
        state.textContent = summary(events);
      } catch {
        state.textContent = 'the demo has ended';
      }
    }
    setTimeout(tick, PERIOD);
  };
  tick();
}

function drawEvents(list, events) {
  const ids = new Set(events.map(({ id }) => id));
  for (const [id, row] of rows) {
    if (ids.has(id)) continue;
    row.element.remove();
    rows.delete(id);
  }
  for (const event of events.slice().reverse()) {
    if (!rows.has(event.id)) {
      rows.set(event.id, newRow(event));
      list.prepend(rows.get(event.id).element);
    }
    const row = rows.get(event.id);
    const drawn = event.deliveries.map(said);
    if (row.text === JSON.stringify(drawn)) continue;
    row.text = JSON.stringify(drawn);
    row.deliveries.replaceChildren(...event.deliveries.map(drawDelivery));
  }
}

function newRow(event) {
  const full = h('div', { class: 'story', hidden: true });
  const head = h('button', { class: 'head', 'aria-expanded': 'false', onclick: () => {
    full.hidden = !full.hidden;
    head.setAttribute('aria-expanded', String(!full.hidden));
    if (!full.hidden) story(full, event.id, NAMES);
  } },
    h('span', { class: 'kind ' + event.type }, event.type),
    h('span', { class: 'name' }, event.name || event.user || ''),
    h('time', {}, new Date(event.at).toLocaleTimeString([], { hour12: false })));
  const deliveries = h('ul', {});
  return { element: h('li', { class: 'event' }, head, deliveries, full), deliveries, text: '' };
}

function drawDelivery(delivery) {
  const [kind, words, why] = said(delivery);
  return h('li', { class: kind, 'data-vendor': delivery.integration },
    h('span', { class: 'vendor' }, NAMES[delivery.integration] || delivery.integration),
    h('span', { class: 'word' }, words),
    why && h('span', { class: 'why' }, why));
}

function said({ state, attempts, due, status, reason, ms }) {
  const tries = attempts > 1 ? `, at the ${ordinal(attempts)} try` : '';
  if (state === 'done') return ['done', 'delivered', `${duration(ms)}${tries}`];
  if (state === 'skipped') return ['skipped', 'skipped', reason];
  if (state === 'dead') return ['dead', 'given up', reason];
  if (state === 'leased') return ['busy', 'sending', ''];
  if (!attempts) return ['busy', 'waiting', reason || ''];
  const seconds = Math.max(0, Math.ceil((new Date(due) - Date.now()) / 1000));
  return ['retry', 'retry' + (seconds ? ` in ${seconds} s` : ' now'), reason || `answered ${status}`];
}

function drawTrips(place) {
  const text = JSON.stringify(tripped);
  if (place.dataset.text === text) return;
  place.dataset.text = text;
  place.replaceChildren(...Object.entries(tripped).map(([vendor, down]) =>
    h('button', { 'aria-pressed': String(down), onclick: async () => {
      tripped = (await (await fetch('/trip/' + vendor, { method: 'POST' })).json()).tripped;
      drawTrips(place);
    } }, NAMES[vendor] || vendor, down ? ' is down' : '')));
}

function summary(events) {
  const all = events.flatMap(({ deliveries }) => deliveries);
  const open = all.filter(({ state }) => state === 'pending' || state === 'leased').length;
  return open ? `${open} on the way` : `${events.length} event${events.length === 1 ? '' : 's'}, all settled`;
}

function ordinal(number) {
  return number + (['th', 'st', 'nd', 'rd'][number % 100 > 10 && number % 100 < 14 ? 0 : number % 10] || 'th');
}

function duration(ms) {
  return ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`;
}
