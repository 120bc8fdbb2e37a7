// Consent: what the visitor allows, who said so, and whether events may be collected.

import { key, settings } from './settings.js';
import { local } from './storage.js';

export const OPTIONAL = ['functional', 'analytics', 'marketing', 'personalization'];
const CATEGORIES = ['essential'].concat(OPTIONAL);

// The newest consent, so that a later page starts from it: {consent, call, withdrawn}. It identifies nobody.
export const RECORD = '_df_consent.' + key;

export const WAIT = 0; // not known, and the pipeline says to wait
export const YES = 1;
export const NO = 2; // every optional category is denied

const waits = settings.consent.includes('wait');

let reports = {}; // source -> {category: boolean}
load();

// What the page's own call said is remembered for the next page. A banner tells every page anew, so of its answers
// only a refusal is taken over, until it speaks.
function load() {
  const { consent, call } = remembered();
  if (call) reports = { call: consent };
  else if (consent && !OPTIONAL.some((category) => consent[category])) reports = { before: consent };
}

export function report(source, given) {
  delete reports.before;
  const heard = source === 'call' ? Object.assign({}, reports.call) : {};
  for (const category of CATEGORIES) if (category in given) heard[category] = isGranted(given[category]);
  reports[source] = heard;
}

// Another tab has written the record: what it heard holds here as well, until a banner speaks in this tab.
export function overhear() {
  const { consent, call } = remembered();
  if (consent) reports = { [call ? 'call' : 'before']: consent };
}

// The page's own call decides alone; banners have to agree. GPC denies marketing whatever they say.
export function view() {
  const voices = reports.call ? [reports.call] : Object.values(reports);
  const consent = {};
  for (const category of CATEGORIES) {
    const votes = voices.map((voice) => voice[category]).filter((vote) => vote !== undefined);
    if (votes.length) consent[category] = votes.every(Boolean);
  }
  if (navigator.globalPrivacyControl) consent.marketing = false;
  return consent;
}

export function verdict() {
  if (!Object.keys(reports).length) return waits ? WAIT : YES;
  const consent = view();
  return OPTIONAL.some((category) => (category in consent ? consent[category] : !waits)) ? YES : NO;
}

export function remembered() {
  return local.json(RECORD) || {};
}

export function remember(withdrawn) {
  local.set(RECORD, JSON.stringify({ consent: view(), call: !!reports.call, withdrawn }));
}

function isGranted(value) {
  return value === true || value === 'granted';
}
