// Cart: what the visitor wants, kept in this browser: {product id: quantity}.

import { product, spoken } from './catalogue.js';
import { memory } from './dom.js';

export function lines() {
  return Object.entries(memory.get('cart', {}))
    .map(([id, quantity]) => ({ item: product(id), quantity }))
    .filter(({ item }) => item);
}

export function add(item, quantity) {
  const wanted = memory.get('cart', {});
  const left = (wanted[item.id] || 0) + quantity;
  if (left > 0) wanted[item.id] = left;
  else delete wanted[item.id];
  memory.set('cart', wanted);
  datafly.track(quantity > 0 ? 'Product Added' : 'Product Removed', spoken(item, Math.abs(quantity)));
}

export function clear() {
  memory.set('cart', null);
  memory.set('cart-id', null);
}

export function count() {
  return lines().reduce((sum, { quantity }) => sum + quantity, 0);
}

export function total() {
  return lines().reduce((sum, { item, quantity }) => sum + item.price * quantity, 0);
}

// The whole cart in the words of an event. Its id holds the products together that vendors are sent one by one.
export function summary() {
  const id = memory.get('cart-id') || 'C-' + Math.random().toString(36).slice(2, 9).toUpperCase();
  memory.set('cart-id', id);
  return { cart_id: id, currency: 'EUR', total: total(), products: lines().map(({ item, quantity }) => spoken(item, quantity)) };
}
