// Catalogue: what the shop would sell.

export const products = [
  { id: 'mug', sku: 'AF-101', name: 'Stoneware mug', category: 'Kitchen', price: 24, line: 'Thrown by hand, glazed in oat.', text: 'Holds a generous cup and keeps it warm through a chapter and a half. Dishwasher safe, microwave safe, clumsiness safe up to a point.' },
  { id: 'kettle', sku: 'AF-102', name: 'Enamel kettle', category: 'Kitchen', price: 58, line: 'One and a half litres of patience.', text: 'A proper whistle, a cool handle, and an enamel that outlives fashions. Works on gas, on induction and on a camp fire.' },
  { id: 'candle', sku: 'AF-103', name: 'Beeswax candle', category: 'Home', price: 18, line: 'Forty hours of honey light.', text: 'Pure beeswax from three hives at the edge of a lime wood. It smells of nothing but summer.' },
  { id: 'throw', sku: 'AF-104', name: 'Linen throw', category: 'Home', price: 89, line: 'Washed until it gives in.', text: 'European flax, woven loosely and washed with stones. It gets better with every nap.' },
  { id: 'tray', sku: 'AF-105', name: 'Walnut tray', category: 'Home', price: 46, line: 'For breakfasts that stay in bed.', text: 'A single board, oiled three times. No two have the same grain, and yours will know your cups by their rings.' },
  { id: 'fern', sku: 'AF-106', name: 'Potted fern', category: 'Garden', price: 21, line: 'Asks for shade, gives you calm.', text: 'A hardy lady fern in a clay pot. Water it when you water yourself.' },
];

export function product(id) {
  return products.find((each) => each.id === id);
}

// A product in the words of an event.
export function spoken(each, quantity) {
  const said = { product_id: each.sku, name: each.name, category: each.category, price: each.price, currency: 'EUR', url: location.origin + '/p/' + each.id };
  return quantity ? { ...said, quantity } : said;
}
