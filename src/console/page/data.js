// What the capabilities keep: key-value buckets, blob containers, messages.

import { api, at, busy, content, empty, fill, h, problem, size, time } from './dom.js';

export class Data {
  constructor(panel) {
    this.parts = { kv: new KeyValue(), blobs: new Blobs(), messages: new Messages() };
    this.tabs = Object.entries({ kv: 'Key-value', blobs: 'Blobs', messages: 'Messages' }).map(([name, title]) =>
      h('button', { type: 'button', class: 'sub', id: `data-${name}`, 'aria-pressed': 'false', onclick: () => this.choose(name) }, title));
    this.body = h('div', {});
    panel.append(h('div', { class: 'bar' }, h('div', { class: 'group', role: 'group', 'aria-label': 'Kind of data' }, this.tabs)), this.body);
    this.choose('kv');
  }

  choose(name) {
    this.name = name;
    for (const tab of this.tabs) tab.setAttribute('aria-pressed', String(tab.id === `data-${name}`));
    fill(this.body, this.parts[name].element);
    if (this.seen) this.update();
  }

  async update() {
    this.seen = true;
    await this.parts[this.name].update();
  }

  press() {
    return false;
  }
}

/** A list on the left, what is chosen on the right. */
class Browser {
  constructor({ place, item }) {
    // Counts what was chosen: an answer that comes after the next choice is not shown.
    this.turn = 0;
    this.place = h('input', { list: `${place}-names`, id: `${place}-name`, value: this.initial ?? '', spellcheck: false, autocomplete: 'off', onchange: () => this.reload() });
    this.names = h('datalist', { id: `${place}-names` });
    this.buttons = h('div', { class: 'group' });
    this.items = h('ul', { class: 'items', 'aria-label': item });
    this.value = h('div', { class: 'details' });
    this.told = h('div', {});
    this.element = h('div', {},
      h('div', { class: 'bar' }, h('label', { for: `${place}-name` }, place), this.place, this.names, this.buttons,
        h('button', { type: 'button', class: 'first', onclick: () => this.create() }, `New ${item}`),
        h('button', { type: 'button', class: 'plain', onclick: () => this.reload() }, 'Look again')),
      this.told, h('div', { class: 'split even' }, this.items, this.value));
  }

  named(names) {
    fill(this.names, names.map((name) => h('option', { value: name })));
    fill(this.buttons, names.slice(0, 6).map((name) => h('button', {
      type: 'button', class: 'sub', 'aria-pressed': String(name === this.place.value), onclick: () => { this.place.value = name; this.reload(); } }, name)));
  }

  async reload() {
    this.turn += 1;
    fill(this.value, h('p', { class: 'quiet pad' }, 'Choose one on the left to see it.'));
    await this.update();
  }

  /** Does something and shows why it failed. */
  async attempt(work) {
    fill(this.told);
    try {
      await work();
    } catch (error) {
      fill(this.told, problem(error));
    }
  }

  editor({ title, name, text, fixed, save, remove, note }) {
    const key = h('input', { id: 'edit-name', value: name, required: true, spellcheck: false, disabled: fixed });
    const value = h('textarea', { id: 'edit-value', rows: 12, spellcheck: false }, text ?? '');
    const first = h('button', { type: 'submit', class: 'first' }, 'Store');
    const form = h('form', {
      class: 'form', onsubmit: (event) => {
        event.preventDefault();
        // Who has gone on to something else meanwhile is not brought back.
        const turn = this.turn;
        busy(first, () => this.attempt(() => save(key.value, value.value, () => this.turn === turn)));
      } },
    h('h2', {}, title), h('label', { for: 'edit-name' }, 'Name'), key, h('label', { for: 'edit-value' }, 'Value'), value, note,
    h('div', { class: 'group' }, first, remove ? h('button', { type: 'button', class: 'danger', onclick: () => this.attempt(remove) }, 'Delete') : null));
    fill(this.value, form);
    (fixed ? value : key).focus();
  }

  row(name, chosen, choose, more) {
    return h('li', {}, h('button', { type: 'button', class: 'item', 'aria-pressed': String(name === chosen), onclick: choose },
      h('span', { class: 'grow' }, name), more ? h('span', { class: 'quiet' }, more) : null));
  }
}

class KeyValue extends Browser {
  constructor() {
    super({ place: 'bucket', item: 'key' });
    this.place.value = 'default';
  }

  async update() {
    await this.attempt(async () => {
      const { buckets } = await api('kv');
      this.named(buckets);
      const { keys, more } = await api('kv/keys', { query: { bucket: this.place.value } });
      fill(this.items,
        keys.length ? null : empty('No key in this bucket', 'Store one here, or from the shell: wash dev kv set KEY VALUE'),
        keys.map((key) => this.row(key, this.chosen, () => this.open(key))),
        more ? h('li', { class: 'quiet pad' }, 'There are more keys; wash dev kv list shows all of them.') : null);
    });
  }

  async open(key) {
    const turn = ++this.turn;
    this.chosen = key;
    for (const item of this.items.querySelectorAll('.item')) item.setAttribute('aria-pressed', String(item.firstChild.textContent === key));
    await this.attempt(async () => {
      const bucket = this.place.value;
      const { found, value } = await api('kv/value', { query: { bucket, key } });
      if (turn !== this.turn) return;
      if (!found) return this.reload();
      const isText = value.text !== undefined;
      this.editor({
        title: `${key}`, name: key, fixed: true, text: isText ? value.text : '',
        note: isText ? h('p', { class: 'quiet' }, size(value.size)) : h('div', {}, h('p', { class: 'quiet' }, 'This value is no text. Storing replaces it.'), content(value)),
        save: async (_, text, stays) => { await this.store(key, text); if (stays()) await this.open(key); },
        remove: async () => { await api('kv/value', { method: 'DELETE', query: { bucket, key } }); this.chosen = null; await this.reload(); },
      });
    });
  }

  create() {
    this.turn += 1;
    this.editor({ title: 'New key', name: '', text: '', save: async (key, text, stays) => { await this.store(key, text); await this.update(); if (stays()) await this.open(key); } });
  }

  async store(key, text) {
    await api('kv/value', { method: 'PUT', body: { bucket: this.place.value, key, text } });
  }
}

class Blobs extends Browser {
  constructor() {
    super({ place: 'container', item: 'object' });
  }

  async update() {
    await this.attempt(async () => {
      const { containers } = await api('blobs');
      if (!this.place.value && containers.length) this.place.value = containers[0];
      this.named(containers);
      if (!this.place.value) {
        fill(this.items, empty('No container', 'A component makes one, or you do: store an object in a container of a new name.'));
        return;
      }
      let found = { objects: [], more: false };
      if (containers.includes(this.place.value)) found = await api('blobs/objects', { query: { container: this.place.value } });
      fill(this.items,
        found.objects.length ? null : empty('No object in this container'),
        found.objects.map((object) => this.row(object.name, this.chosen, () => this.open(object.name), `${size(object.size)} · ${at(object.created_at * 1000)}`)),
        found.more ? h('li', { class: 'quiet pad' }, 'There are more objects.') : null);
    });
  }

  async open(name) {
    const turn = ++this.turn;
    this.chosen = name;
    for (const item of this.items.querySelectorAll('.item')) item.setAttribute('aria-pressed', String(item.firstChild.textContent === name));
    await this.attempt(async () => {
      const container = this.place.value;
      const { value } = await api('blobs/object', { query: { container, name } });
      if (turn !== this.turn) return;
      const whole = value.text !== undefined && !value.cut;
      const remove = async () => { await api('blobs/object', { method: 'DELETE', query: { container, name } }); this.chosen = null; await this.reload(); };
      if (whole) {
        this.editor({ title: name, name, fixed: true, text: value.text, note: h('p', { class: 'quiet' }, size(value.size)), remove,
          save: async (_, text, stays) => { await this.store(name, text); await this.update(); if (stays()) await this.open(name); } });
      } else {
        fill(this.value, h('h2', {}, name), content(value), h('button', { type: 'button', class: 'danger', onclick: () => this.attempt(remove) }, 'Delete'));
      }
    });
  }

  create() {
    if (!this.place.value) this.place.value = 'default';
    this.turn += 1;
    this.editor({ title: 'New object', name: '', text: '', save: async (name, text, stays) => { await this.store(name, text); await this.update(); if (stays()) await this.open(name); } });
  }

  async store(name, text) {
    await api('blobs/object', { method: 'PUT', body: { container: this.place.value, name, text } });
  }
}

class Messages {
  constructor() {
    const subject = h('input', { id: 'message-subject', placeholder: 'tasks.new', required: true, spellcheck: false });
    const body = h('textarea', { id: 'message-body', rows: 5, spellcheck: false });
    const request = h('input', { type: 'checkbox', id: 'message-request' });
    const told = h('div', { 'aria-live': 'polite' });
    const first = h('button', { type: 'submit', class: 'first' }, 'Publish');
    const form = h('form', {
      class: 'form card', onsubmit: (event) => {
        event.preventDefault();
        fill(told);
        busy(first, async () => {
          try {
            const answer = await api('messages', { method: 'POST', body: { subject: subject.value, text: body.value, request: request.checked } });
            fill(told, answer.answer ? [h('p', { class: 'note' }, `Answered after ${time(answer.milliseconds)}:`), content(answer.answer)]
              : h('p', { class: 'note', role: 'status' }, `Published to ${answer.subject}.`));
          } catch (error) {
            fill(told, problem(error));
          }
        });
      } },
    h('h2', {}, 'Publish a message'), h('label', { for: 'message-subject' }, 'Subject'), subject, h('label', { for: 'message-body' }, 'Body'), body,
    h('label', { class: 'check' }, request, 'wait for an answer'), h('div', {}, first), told);
    this.items = h('div', { class: 'card' });
    this.element = h('div', { class: 'columns' }, this.items, form);
  }

  async update() {
    const { messages } = await api('messages');
    fill(this.items, h('h2', {}, 'Messages that components were given'),
      messages.length ? null : empty('No message yet', 'Components that export wasmcloud:messaging/handler get messages; publish one here.'),
      messages.reverse().map((message) => h('details', { class: 'build' },
        h('summary', {}, h('span', { class: `status ${message.error ? 'bad' : 'good'}` }, message.error ? 'failed' : 'ok'),
          h('span', { class: 'grow' }, message.subject), h('span', { class: 'quiet' }, `${message.component} · ${time(message.milliseconds)} · ${at(message.at)}`)),
        message.error ? h('p', {}, message.error) : null,
        message.reply_to ? h('p', { class: 'quiet' }, `answers go to ${message.reply_to}`) : null,
        content(message.body))));
  }
}
