// Banners: readers for the consent platforms, each mapped to our categories.
//
// A reader calls `tell(consent, decided)`. A default that grants nothing is no decision of the visitor's
// and is left out, unless it takes back what was granted before.

import { OPTIONAL } from './consent.js';
import { settings } from './settings.js';

const READERS = { google, tcf, onetrust, cookiebot };
const ALL_GRANTED = { functional: true, analytics: true, marketing: true, personalization: true };

// `data-consent` may name the readers to use, or "manual" for none.
export function readBanners(report) {
  const words = settings.consent.split(/\s+/);
  const named = Object.keys(READERS).filter((name) => words.includes(name));
  if (words.includes('manual')) return;
  for (const name of named.length ? named : Object.keys(READERS)) {
    let heard = false;
    READERS[name]((consent, decided) => {
      heard = heard || decided || OPTIONAL.some((category) => consent[category]);
      if (heard) report(name, consent);
    });
  }
}

// Google Consent Mode: gtag pushes its `arguments`, ['consent', 'default' | 'update', {signal: 'granted' | 'denied'}].
function google(tell) {
  const layer = (window.dataLayer = window.dataLayer || []);
  const signals = {};
  let updated = false;
  const see = (entry) => {
    if (!entry || entry[0] !== 'consent' || !entry[2]) return;
    if (entry[1] === 'default' && entry[2].region) return; // where the visitor is, only Google knows
    Object.assign(signals, entry[2]);
    updated = updated || entry[1] === 'update';
    const consent = {
      essential: all(signals.security_storage),
      functional: all(signals.functionality_storage),
      analytics: all(signals.analytics_storage),
      marketing: all(signals.ad_storage, signals.ad_user_data),
      personalization: all(signals.personalization_storage || signals.ad_personalization),
    };
    for (const category in consent) if (consent[category] === undefined) delete consent[category];
    tell(consent, updated);
  };
  layer.forEach(see);
  const push = layer.push;
  layer.push = function (...entries) {
    const length = push.apply(this, entries);
    entries.forEach(see);
    return length;
  };
}

function all(...signals) {
  const said = signals.filter(Boolean);
  return said.length ? said.every((signal) => signal === 'granted') : undefined;
}

// IAB TCF 2: purposes 1 storage, 2-4 and 7 advertising, 5-6 content, 8-9 measurement of content and audience.
function tcf(tell) {
  let listening = false;
  const listen = () => {
    if (listening || typeof window.__tcfapi !== 'function') return;
    listening = true;
    window.__tcfapi('addEventListener', 2, (data, success) => {
      if (!success) return;
      if (data.gdprApplies === false) return tell(ALL_GRANTED, true);
      if (data.eventStatus !== 'tcloaded' && data.eventStatus !== 'useractioncomplete') return;
      const consents = (data.purpose && data.purpose.consents) || {};
      const granted = (...purposes) => [1].concat(purposes).every((purpose) => consents[purpose]);
      tell(
        {
          functional: granted(),
          analytics: granted(8),
          marketing: granted(2, 3, 4, 7),
          personalization: granted(5, 6),
        },
        true,
      );
    });
  };
  listen();
  for (const event of ['DOMContentLoaded', 'load']) addEventListener(event, listen);
}

// OneTrust's own words for C0003: "enhanced functionality and personalisation". A pipeline may name other groups.
function onetrust(tell) {
  const groups = settings.onetrust || { functional: 'C0003', analytics: 'C0002', marketing: 'C0004', personalization: 'C0003' };
  const read = () => {
    if (!window.OnetrustActiveGroups) return;
    const active = String(window.OnetrustActiveGroups).split(',');
    const consent = {};
    for (const category in groups) consent[category] = active.includes(groups[category]);
    const platform = window.OneTrust;
    tell(consent, !!(platform && platform.IsAlertBoxClosed && platform.IsAlertBoxClosed()));
  };
  read();
  addEventListener('OneTrustGroupsUpdated', read);
}

function cookiebot(tell) {
  const read = () => {
    const platform = window.Cookiebot;
    const given = platform && platform.consent;
    if (!given) return;
    tell(
      {
        functional: given.preferences,
        analytics: given.statistics,
        marketing: given.marketing,
        personalization: given.preferences,
      },
      platform.hasResponse,
    );
  };
  read();
  for (const event of ['ConsentReady', 'Accept', 'Decline']) addEventListener('CookiebotOn' + event, read);
}
