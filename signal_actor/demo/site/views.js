// Views: what the shop shows at each address. A view returns a title and elements, and tells datafly what is seen.

import * as cart from './cart.js';
import { product, products, spoken } from './catalogue.js';
import { h, memory, money } from './dom.js';

export function view(path, go) {
  if (path.startsWith('/p/')) return one(product(path.slice(3)), go);
  return ({ '/': all, '/cart': basket, '/checkout': checkout, '/thanks': thanks, '/login': login }[path] || missing)(go);
}

function all() {
  const card = (each) =>
    h('a', { class: 'card', href: '/p/' + each.id },
      picture(each),
      h('span', { class: 'name' }, each.name),
      h('span', { class: 'line' }, each.line),
      h('span', { class: 'price' }, money(each.price)));
  return {
    title: 'Things for slow mornings',
    seen: () => datafly.track('Product List Viewed', { list_id: 'all', category: 'All', products: products.map((each) => spoken(each)) }),
    content: [
      h('div', { class: 'hello' }, h('h1', {}, 'Things for slow mornings'), h('p', {}, 'Six of them, made to be used for years.')),
      h('div', { class: 'grid' }, products.map(card)),
    ],
  };
}

function one(item, go) {
  if (!item) return missing();
  const wish = h('button', { class: 'quiet', onclick: () => {
    datafly.track('Product Added to Wishlist', spoken(item));
    wish.textContent = 'On your wish list';
    wish.disabled = true;
  } }, 'Save for later');
  const add = h('button', { class: 'main', id: 'add', onclick: () => {
    cart.add(item, 1);
    go(null);
    add.textContent = 'Added. One more?';
  } }, 'Add to cart');
  return {
    title: item.name,
    seen: () => datafly.track('Product Viewed', spoken(item)),
    content: [
      h('nav', { class: 'crumbs', 'aria-label': 'Way back' }, h('a', { href: '/' }, 'All things'), ' / ' + item.category),
      h('article', { class: 'one' }, picture(item), h('div', {},
        h('h1', {}, item.name), h('p', { class: 'price' }, money(item.price)), h('p', { class: 'line' }, item.line),
        h('p', {}, item.text), h('div', { class: 'actions' }, add, wish))),
    ],
  };
}

function basket(go) {
  const lines = cart.lines();
  const row = ({ item, quantity }) =>
    h('li', {}, picture(item), h('div', { class: 'what' }, h('a', { href: '/p/' + item.id }, item.name), h('span', { class: 'line' }, money(item.price))),
      h('div', { class: 'steps' },
        h('button', { 'aria-label': 'One less of ' + item.name, onclick: () => { cart.add(item, -1); go('/cart', true); } }, '−'),
        h('output', {}, String(quantity)),
        h('button', { 'aria-label': 'One more of ' + item.name, onclick: () => { cart.add(item, 1); go('/cart', true); } }, '+')));
  return {
    title: 'Cart',
    seen: () => datafly.track('Cart Viewed', cart.summary()),
    content: lines.length
      ? [h('h1', {}, 'Cart'), h('ul', { class: 'lines' }, lines.map(row)),
         h('p', { class: 'sum' }, h('span', {}, 'Total'), h('strong', {}, money(cart.total()))),
         h('div', { class: 'actions' }, h('a', { class: 'main', id: 'checkout', href: '/checkout' }, 'Check out'))]
      : [h('h1', {}, 'Cart'), h('p', {}, 'Nothing in it yet. The ', h('a', { href: '/p/mug' }, 'mug'), ' is a good start.')],
  };
}

function checkout(go) {
  if (!cart.count()) return basket(go);
  const user = memory.get('user', {});
  const form = h('form', { class: 'form', onsubmit: (event) => {
    event.preventDefault();
    const { email, name } = Object.fromEntries(new FormData(form));
    identify(email, name);
    datafly.track('Order Completed', { order_id: 'AF-' + Date.now().toString(36).toUpperCase(), ...cart.summary() });
    cart.clear();
    go('/thanks');
  } }, field('Name', { name: 'name', autocomplete: 'name', value: user.name || 'Robin Reed' }),
    field('Email', { name: 'email', type: 'email', autocomplete: 'email', value: user.email || 'robin@example.com' }),
    field('Address', { name: 'address', autocomplete: 'street-address', value: '7 Willow Lane' }),
    h('p', { class: 'sum' }, h('span', {}, 'Total'), h('strong', {}, money(cart.total()))),
    h('div', { class: 'actions' }, h('button', { class: 'main', id: 'pay' }, 'Place order')));
  return {
    title: 'Checkout',
    seen: () => datafly.track('Checkout Started', cart.summary()),
    content: [h('h1', {}, 'Checkout'), h('p', { class: 'line' }, 'Nothing is charged and nothing is shipped.'), form],
  };
}

function thanks() {
  return {
    title: 'Thank you',
    content: [h('div', { class: 'hello' }, h('h1', {}, 'Thank you'), h('p', {}, told())),
      h('div', { class: 'actions' }, h('a', { class: 'main', href: '/' }, 'Back to the shop'))],
  };
}

// Who hears of an order depends on what the visitor allows.
function told() {
  const consent = memory.get('consent');
  if (!consent) return 'Nobody has heard of your order yet: first answer the banner.';
  const allowed = Object.values(consent).filter(Boolean).length;
  if (!allowed) return 'Nobody hears of your order, because you refused.';
  return `Your order is on its way to ${allowed < 4 ? 'the vendors that you allow' : 'four vendors'}, and to nobody else.`;
}

function login(go) {
  const user = memory.get('user');
  if (user) {
    return { title: 'Account', content: [h('h1', {}, 'Hello, ' + user.name.split(' ')[0]), h('p', { class: 'line' }, user.email),
      h('div', { class: 'actions' }, h('button', { class: 'quiet', id: 'logout', onclick: () => {
        memory.set('user', null);
        datafly.reset();
        go('/login', true);
      } }, 'Log out, and be somebody new'))] };
  }
  const form = h('form', { class: 'form', onsubmit: (event) => {
    event.preventDefault();
    const { email, name } = Object.fromEntries(new FormData(form));
    identify(email, name);
    go('/login', true);
  } }, field('Name', { name: 'name', autocomplete: 'name', value: 'Robin Reed' }),
    field('Email', { name: 'email', type: 'email', autocomplete: 'email', value: 'robin@example.com' }),
    h('div', { class: 'actions' }, h('button', { class: 'main', id: 'enter' }, 'Log in')));
  return { title: 'Log in', content: [h('h1', {}, 'Log in'), h('p', { class: 'line' }, 'No password: this door opens for everybody.'), form] };
}

function missing() {
  return { title: 'Not here', content: [h('h1', {}, 'Not here'), h('p', {}, h('a', { href: '/' }, 'Everything that we have'), ' is on one page.')] };
}

// The user of this shop; an id that says nothing about the person.
function identify(email, name) {
  let sum = 0;
  for (const letter of email.toLowerCase()) sum = (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0;
  memory.set('user', { email, name });
  const [first, ...rest] = name.trim().split(/\s+/);
  datafly.identify('customer-' + sum.toString(36), { email, first_name: first, last_name: rest.join(' ') || undefined });
}

function field(label, attributes) {
  return h('label', {}, label, h('input', { required: true, ...attributes }));
}

function picture(item) {
  return h('span', { class: 'picture ' + item.id }, h('img', { src: `/site/art/${item.id}.svg`, alt: '', width: 200, height: 200 }));
}
