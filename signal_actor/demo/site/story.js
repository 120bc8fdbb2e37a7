// Story: one event in full: as it was stored, and what each vendor was sent and has answered.

import { h } from './dom.js';

export async function story(place, id, names) {
  const { event, attempts } = await (await fetch('/happened/' + id)).json();
  const newest = new Map(attempts.map((attempt) => [attempt.integration, attempt]));
  place.replaceChildren(
    part('Stored', event),
    ...Array.from(newest, ([integration, { status, request, response, error }]) =>
      part('Sent to ' + (names[integration] || integration), own(request, event.messageId), `${status || 'nothing'} ${compact(response || error)}`)));
}

function part(title, value, answer) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
  return h('section', {}, h('h3', {}, title), h('pre', { tabindex: 0 }, text), answer && h('p', { class: 'answer' }, 'Answered ' + answer));
}

// Of a batch the item that is this event, where the vendor's format tells.
function own(text, id) {
  try {
    const request = JSON.parse(text);
    const items = request.events || request.users || request;
    return Array.from(items).find((item) => item.messageId === id || item.id === id) || request;
  } catch {
    return text || '';
  }
}

function compact(text) {
  const line = (text || '').replace(/\s+/g, ' ');
  return line.length > 160 ? line.slice(0, 160) + '…' : line;
}
