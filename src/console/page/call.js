// Calling the functions that components export, with typed arguments.

import { api, busy, empty, fill, h, lines, problem, time } from './dom.js';

export class Call {
  constructor(panel) {
    this.filter = h('input', { type: 'search', placeholder: 'Filter functions', 'aria-label': 'Filter functions', oninput: () => this.show() });
    this.list = h('ul', { class: 'items', 'aria-label': 'Functions' });
    this.form = h('div', { class: 'details' }, h('p', { class: 'quiet pad' }, 'Choose a function to call it. Each call has a fresh instance.'));
    this.told = h('div', {});
    this.all = [];
    panel.append(h('div', { class: 'bar' }, this.filter), this.told, h('div', { class: 'split even' }, this.list, this.form));
  }

  async update() {
    fill(this.told);
    try {
      this.all = (await api('functions')).functions;
    } catch (error) {
      this.all = [];
      fill(this.told, problem(error));
    }
    this.show();
  }

  show() {
    const words = this.filter.value.toLowerCase();
    const found = this.all.filter((one) => `${one.component} ${one.name}`.toLowerCase().includes(words));
    let before = null;
    fill(this.list,
      found.length || this.told.childElementCount ? null : empty('No function', 'No component of the workload exports a function of that name.'),
      found.flatMap((one) => {
        const place = `${one.component} · ${one.interface ?? 'the world itself'}`;
        const head = place === before ? [] : [h('li', { class: 'group-head' }, place)];
        before = place;
        return [...head, h('li', {}, h('button', {
          type: 'button', class: 'item', disabled: Boolean(one.refusal), title: one.refusal ?? one.signature,
          'aria-pressed': String(this.chosen === one.component + one.name), onclick: () => this.choose(one) },
        h('span', { class: 'grow' }, one.function), h('span', { class: 'quiet cut' }, one.refusal ? 'needs handles' : one.signature.replace(/^[^:]*: func/, ''))))];
      }));
  }

  choose(one) {
    this.chosen = one.component + one.name;
    this.show();
    const inputs = one.params.map((param, index) => h('textarea', { id: `argument-${index}`, rows: param.example.length > 40 ? 4 : 1, spellcheck: false, class: 'argument' }, param.example));
    const result = h('div', { 'aria-live': 'polite' });
    const first = h('button', { type: 'submit', class: 'first' }, 'Call');
    const call = () => busy(first, async () => {
      const text = `${one.name}(${inputs.map((input) => input.value).join(', ')})`;
      try {
        const answer = await api('call', { method: 'POST', body: { function: text, component: one.component } });
        fill(result, h('p', { class: 'note', role: 'status' }, `Returned after ${time(answer.milliseconds)}`),
          answer.result === null ? h('p', { class: 'quiet' }, 'it has no result') : h('pre', { class: 'body', id: 'call-result', tabIndex: 0 }, answer.result),
          answer.lines.length ? [h('h3', {}, 'Logs'), lines(answer.lines)] : null);
      } catch (error) {
        fill(result, problem(error));
      }
    });
    const form = h('form', { class: 'form', onsubmit: (event) => { event.preventDefault(); call(); } },
      h('h2', {}, one.function), h('pre', { class: 'signature' }, one.signature),
      one.params.map((param, index) => [h('label', { for: `argument-${index}` }, h('strong', {}, param.name), ' ', h('code', {}, param.type)), inputs[index]]),
      h('div', {}, first), result);
    form.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey || event.target.rows === 1)) {
        event.preventDefault();
        call();
      }
    });
    fill(this.form, form);
    (inputs[0] ?? first).focus();
  }

  press(key) {
    if (key !== '/') return false;
    this.filter.focus();
    return true;
  }
}
