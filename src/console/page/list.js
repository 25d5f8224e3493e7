// A list of which only the rows that can be seen are elements: ten thousand are as fast as ten.

import { h } from './dom.js';

const HEIGHT = 30;
/** Rows above and below, so that scrolling does not show gaps. */
const MARGIN = 8;

export class List {
  /** `row(item)` makes the cells of a row; `choose(item)` is called when one is chosen. */
  constructor({ label, row, choose, key }) {
    this.items = [];
    this.row = row;
    this.key = key;
    this.onChoose = choose;
    this.chosen = null;
    this.space = h('div', { class: 'list-space' });
    this.element = h('div', {
      class: 'list', role: 'listbox', tabIndex: 0, 'aria-label': label,
      onscroll: () => this.later(), onkeydown: (event) => this.press(event),
    }, this.space);
    new ResizeObserver(() => this.later()).observe(this.element);
  }

  /** Other items, the newest first. Who has scrolled away keeps what he sees. */
  set(items) {
    const top = this.element.scrollTop;
    const first = this.items[Math.floor(top / HEIGHT)];
    this.items = items;
    this.space.style.height = `${items.length * HEIGHT}px`;
    if (top > 0 && first) {
      const now = items.findIndex((item) => this.key(item) === this.key(first));
      if (now >= 0) this.element.scrollTop = now * HEIGHT + (top % HEIGHT);
    }
    this.draw();
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const begin = Math.max(0, Math.floor(scrollTop / HEIGHT) - MARGIN);
    const end = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / HEIGHT) + MARGIN);
    const visible = this.items.slice(begin, end);
    this.prepare?.(visible);
    this.space.replaceChildren(...visible.map((item, offset) => {
      const index = begin + offset;
      const chosen = this.chosen !== null && this.key(item) === this.chosen;
      const row = h('div', {
        class: 'list-row', role: 'option', id: `row-${this.key(item)}`, 'aria-selected': chosen ? 'true' : 'false',
        'aria-posinset': String(index + 1), 'aria-setsize': String(this.items.length),
        onclick: () => this.choose(item),
      }, this.row(item));
      row.style.top = `${index * HEIGHT}px`;
      return row;
    }));
    if (this.chosen !== null) this.element.setAttribute('aria-activedescendant', `row-${this.chosen}`);
  }

  choose(item) {
    this.chosen = item ? this.key(item) : null;
    this.draw();
    this.onChoose(item);
  }

  /** Chooses the next one below (1) or above (-1). */
  move(by) {
    const now = this.items.findIndex((item) => this.key(item) === this.chosen);
    const next = this.items[now < 0 ? 0 : Math.min(this.items.length - 1, Math.max(0, now + by))];
    if (!next) return;
    this.show(next);
    this.choose(next);
  }

  /** Scrolls as far as needed to see an item. */
  show(item) {
    const top = this.items.indexOf(item) * HEIGHT;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + HEIGHT > scrollTop + clientHeight) this.element.scrollTop = top + HEIGHT - clientHeight;
  }

  press(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / HEIGHT) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    if (Number.isFinite(by)) this.move(by);
    else {
      const item = this.items[by < 0 ? 0 : this.items.length - 1];
      if (item) {
        this.show(item);
        this.choose(item);
      }
    }
  }
}
