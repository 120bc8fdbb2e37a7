// Consent: the banner. What it hears goes to datafly, which has let nothing out until then.

import { h, memory } from './dom.js';

const CATEGORIES = {
  analytics: ['Statistics', 'how the shop is used'],
  personalization: ['Personalisation', 'what Ninetailed tailors to you'],
  marketing: ['Marketing', 'what Insider and Ometria send you'],
};
const place = document.getElementById('banner');

export function banner() {
  if (!memory.get('consent')) openBanner();
}

export function openBanner() {
  const known = memory.get('consent', {});
  const boxes = Object.entries(CATEGORIES).map(([name, [label, what]]) =>
    h('label', {}, h('input', { type: 'checkbox', name, checked: known[name] !== false }), h('span', {}, h('b', {}, label), ' ' + what)));
  const form = h('form', { class: 'banner', role: 'dialog', 'aria-label': 'Privacy choices', onsubmit: (event) => {
    event.preventDefault();
    decide((name) => form.elements[name].checked);
  } },
    h('p', {}, h('b', {}, 'May we watch you shop?'), ' Until you say so, nothing leaves this page.'),
    h('div', { class: 'boxes' }, boxes),
    h('div', { class: 'actions' },
      h('button', { type: 'button', class: 'main', id: 'accept', onclick: () => decide(() => true) }, 'Accept all'),
      h('button', { type: 'button', class: 'main', id: 'refuse', onclick: () => decide(() => false) }, 'Refuse all'),
      h('button', { class: 'quiet', id: 'choose' }, 'Save this choice')));
  place.replaceChildren(form);
}

function decide(allowed) {
  const consent = Object.fromEntries(Object.keys(CATEGORIES).map((name) => [name, allowed(name)]));
  consent.functional = consent.personalization;
  memory.set('consent', consent);
  datafly.consent(consent);
  place.replaceChildren();
  dispatchEvent(new Event('shop:consent'));
}
