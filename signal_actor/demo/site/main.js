// Main: finds the view for the address, and keeps header and page in step.

import { banner, openBanner } from './consent.js';
import { count } from './cart.js';
import { memory } from './dom.js';
import { view } from './views.js';
import { watch } from './watch.js';

const main = document.getElementById('main');

// Shows an address; null only brings the header up to date, `same` is no new page to anybody.
function go(path, same) {
  if (path && !same) history.pushState(null, '', path);
  if (path) show(!same);
  header();
}

function show(isNew) {
  const { title, seen, content } = view(location.pathname, go);
  document.title = title + ' · Alder & Fern';
  main.replaceChildren(...content);
  if (!isNew) return;
  scrollTo(0, 0);
  datafly.page(title);
  if (seen) seen();
}

function header() {
  const things = count();
  const badge = document.getElementById('count');
  badge.hidden = !things;
  badge.textContent = things;
  const user = memory.get('user');
  document.getElementById('account').textContent = user ? user.name.split(' ')[0] : 'Log in';
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('a[href^="/"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.getAttribute('href'));
  main.focus({ preventScroll: true });
});
addEventListener('popstate', () => { show(true); header(); });
document.getElementById('privacy').addEventListener('click', openBanner);

show(true);
header();
banner();
watch(document.getElementById('watch'));
