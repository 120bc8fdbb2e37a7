// Settings: what the script tag and the pipeline say. The tag wins over the pipeline, the pipeline over the defaults.

// The service writes the pipelines that differ from the defaults here, by the hash of their keys.
const TABLE = {};

const DEFAULTS = {
  autoPage: true,
  batchSize: 10, // events
  flushMs: 1000,
  consent: 'send', // "send": until consent is known, events go out; "wait": they wait in memory
  mirror: '',
};

// `document.currentScript` is null for a module.
const tag = document.currentScript || document.querySelector('script[data-pipeline-key]');
const said = (name) => (tag && tag.getAttribute('data-' + name)) || '';

export const key = said('pipeline-key');

export const settings = Object.assign({}, DEFAULTS, TABLE[fingerprint(key)]);
if (said('auto-page')) settings.autoPage = said('auto-page') !== 'false';
if (said('consent')) settings.consent = said('consent');
if (said('mirror')) settings.mirror = said('mirror');

export const globalName = said('global') || '_df';

// Next to the script, so that a path prefix of a reverse proxy holds for both.
const base = said('endpoint') ? said('endpoint').replace(/\/?$/, '/') : (tag && tag.src) || '/';
export const endpoint = new URL('v1/b', new URL(base, location.href)).href;

// Two FNV-1a sums of different seeds; bundle.py has the same. It keeps the keys of other pipelines out of the script.
function fingerprint(text) {
  return [0x811c9dc5, 0x1000193]
    .map((seed) => {
      let sum = seed;
      for (const byte of new TextEncoder().encode(text)) sum = Math.imul(sum ^ byte, 0x1000193);
      return (sum >>> 0).toString(16).padStart(8, '0');
    })
    .join('');
}
