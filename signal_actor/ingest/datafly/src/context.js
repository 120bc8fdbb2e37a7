// Context: what was true around a call, at the moment of the call.

const VERSION = '0.1.0';
const CAMPAIGN = { source: 'source', medium: 'medium', campaign: 'name', term: 'term', content: 'content', id: 'id' };

let referrer = document.referrer;

// After a client-side navigation the page that led here is the one before, not the one outside.
export function cameFrom(url) {
  referrer = url;
}

// What the stub captures for a call that came before the script: time, address, title, referrer.
export function moment() {
  return [Date.now(), location.href, document.title, referrer];
}

export function pageOf([, href, title, from]) {
  const url = new URL(href);
  return { url: href, path: url.pathname, search: url.search, title, referrer: from };
}

export function contextOf(when) {
  const page = pageOf(when);
  const context = {
    page,
    locale: navigator.language,
    screen: { width: screen.width, height: screen.height, density: window.devicePixelRatio },
    userAgent: navigator.userAgent,
    library: { name: 'datafly.js', version: VERSION },
  };
  try {
    context.timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  } catch {} // old or hardened browsers
  const query = new URLSearchParams(page.search);
  for (const name in CAMPAIGN) {
    const value = query.get('utm_' + name);
    if (value) (context.campaign = context.campaign || {})[CAMPAIGN[name]] = value;
  }
  return context;
}

// randomUUID exists in secure contexts only.
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
