// What was asked and answered, with its times; and sending it again.

import { api, at, busy, content, empty, fill, h, lines, number, problem, time } from './dom.js';
import { List } from './list.js';

/** As many as the loop remembers. */
const KEPT = 10000;
const STAGES = [
  ['queued', 'waiting for its turn'],
  ['instance', 'making an instance'],
  ['head', 'the component, to the head'],
  ['body', 'the body'],
];

export class Requests {
  constructor(panel, go) {
    this.go = go;
    this.all = [];
    this.last = 0;
    this.scale = 1;
    this.filter = h('input', {
      type: 'search', placeholder: 'Filter: /path, POST, 500', 'aria-label': 'Filter requests', id: 'request-filter',
      oninput: () => this.show(),
    });
    this.failed = h('input', { type: 'checkbox', id: 'only-failed', onchange: () => this.show() });
    this.pause = h('button', { type: 'button', class: 'plain', 'aria-pressed': 'false', onclick: () => this.toggle() }, 'Pause');
    this.summary = h('span', { class: 'quiet', 'aria-live': 'off' });
    this.list = new List({
      label: 'Requests, the newest first',
      key: (request) => request.number,
      row: (request) => this.row(request),
      choose: (request) => this.choose(request),
    });
    this.list.prepare = (visible) => {
      this.scale = Math.max(1e-3, ...visible.map((request) => request.milliseconds));
    };
    this.details = h('div', { class: 'details', 'aria-live': 'polite' });
    this.none = empty('No request yet', 'Send one, and it appears here with its times, headers, bodies and logs.',
      'For instance: curl the address above, or use “New request”.');
    this.create = h('button', { type: 'button', onclick: () => this.edit(null) }, 'New request');
    this.split = h('div', { class: 'split' }, this.list.element, this.details);
    panel.append(
      h('div', { class: 'bar' }, this.filter,
        h('label', { class: 'check' }, this.failed, 'failed only'), this.pause, this.create,
        h('span', { class: 'grow' }), legend(), this.summary),
      this.none, this.split);
    this.choose(null);
    this.show();
  }

  /** Gets what is new. */
  async update() {
    if (this.paused) return;
    const { requests } = await api('requests', { query: { after: this.last, limit: KEPT } });
    if (requests.length === 0) return;
    // What came while the answer was made is asked for the next time.
    this.last = requests.at(-1).number;
    this.all = requests.reverse().concat(this.all).slice(0, KEPT);
    this.show();
  }

  show() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = (request) => {
      if (this.failed.checked && request.status < 400 && !request.cut && !request.client_left) return false;
      const text = `${request.method} ${request.path} ${request.status}`.toLowerCase();
      return words.every((word) => text.includes(word));
    };
    const shown = words.length || this.failed.checked ? this.all.filter(wanted) : this.all;
    this.none.hidden = this.last > 0 || this.editing;
    this.split.hidden = this.last === 0 && !this.editing;
    const kept = shown.length < this.last ? `${number.format(shown.length)} of ${number.format(this.last)}` : number.format(this.last);
    this.summary.textContent = this.last ? `${kept} requests` : '';
    this.list.set(shown);
  }

  toggle() {
    this.paused = !this.paused;
    this.pause.setAttribute('aria-pressed', String(this.paused));
    this.pause.textContent = this.paused ? 'Go on' : 'Pause';
    if (!this.paused) this.update();
  }

  row(request) {
    const kind = request.cut || request.status >= 500 ? 'bad' : request.client_left || request.status >= 400 ? 'odd' : 'good';
    const status = request.client_left ? 'left' : request.cut ? `${request.status} cut` : String(request.status);
    return [
      h('span', { class: `status ${kind}` }, status),
      h('span', { class: 'method' }, request.method),
      h('span', { class: 'path', title: request.path }, request.path),
      h('span', { class: 'took' }, time(request.milliseconds)),
      this.bar(request, this.scale),
      h('span', { class: 'generation quiet' }, `#${request.generation}`),
      h('span', { class: 'quiet' }, at(request.ended)),
    ];
  }

  /** The stages one after the other; the full width is `scale` milliseconds. */
  bar(request, scale) {
    const words = STAGES.map(([stage]) => `${stage} ${time(request.stages[stage])}`).join(', ');
    return h('span', { class: 'stages', role: 'img', 'aria-label': words, title: words },
      STAGES.map(([stage]) => {
        const part = h('i', { class: stage });
        part.style.width = `${Math.min(100, (request.stages[stage] / scale) * 100)}%`;
        return part;
      }));
  }

  async choose(request) {
    this.editing = false;
    if (!request) {
      fill(this.details, h('p', { class: 'quiet pad' }, 'Choose a request to see what was in it.'));
      return;
    }
    let found;
    try {
      found = await api('request', { query: { number: request.number } });
    } catch (error) {
      fill(this.details, problem(error));
      return;
    }
    if (this.list.chosen !== request.number) return;
    this.found = found;
    const again = h('button', { type: 'button', onclick: () => this.again(again) }, 'Send again');
    fill(this.details,
      h('div', { class: 'bar inner' },
        h('h2', {}, `${found.method} ${found.path}`), h('span', { class: 'grow' }), again,
        h('button', { type: 'button', onclick: () => this.edit(found) }, 'Change and send'),
        h('button', { type: 'button', class: 'plain', 'aria-label': 'Close', onclick: () => this.list.choose(null) }, '✕')),
      this.told ?? null,
      h('p', { class: 'quiet' }, `${found.status}${found.client_left ? ', the client left' : ''}${found.cut ? ', cut' : ''} · version #${found.generation} · ${time(found.milliseconds)}`),
      h('dl', { class: 'times' }, STAGES.map(([stage, words]) => [
        h('dt', {}, h('i', { class: `dot ${stage}` }), words), h('dd', {}, time(found.stages[stage]))])),
      this.bar(found, found.milliseconds || 1),
      found.faults.map((fault) => [h('h3', {}, 'Fault'), h('pre', { class: 'fault', tabIndex: 0 }, fault.text)]),
      h('h3', {}, 'Logs'),
      found.lines.length ? lines(found.lines) : h('p', { class: 'quiet' }, 'it wrote nothing'),
      found.content ? ['request', 'response'].map((side) => [
        h('h3', {}, side === 'request' ? 'Request' : 'Response'), headers(found.content[side].headers), content(found.content[side].body)])
        : h('p', { class: 'quiet' }, 'Headers and bodies were not recorded: of more than 100 requests a second only the first 100 are, and the oldest are forgotten.'));
    this.told = null;
  }

  async again(button) {
    if (!this.found) return;
    const { method, path, number: of, content: recorded } = this.found;
    if (recorded?.request.body.cut) {
      this.edit(this.found);
      return;
    }
    const { text, base64 } = recorded?.request.body ?? {};
    await busy(button, () => this.send({ method, path, headers: recorded?.request.headers ?? [], text, base64, number: of })
      .catch((error) => this.details.prepend(problem(error))));
  }

  /** A form with everything that was in a request. */
  edit(found) {
    this.editing = true;
    this.show();
    const method = h('input', { id: 'edit-method', value: found?.method ?? 'GET', size: 8, required: true, spellcheck: false });
    const path = h('input', { id: 'edit-path', value: found?.path ?? '/', class: 'grow', required: true, spellcheck: false });
    const given = found?.content?.request.headers ?? [];
    const head = h('textarea', { id: 'edit-headers', rows: 6, spellcheck: false },
      given.filter(([name]) => !['host', 'content-length', 'connection'].includes(name)).map(([name, value]) => `${name}: ${value}`).join('\n'));
    const body = h('textarea', { id: 'edit-body', rows: 8, spellcheck: false }, found?.content?.request.body.text ?? '');
    const told = h('div', {});
    const button = h('button', { type: 'submit', class: 'first' }, 'Send');
    const binary = found?.content?.request.body.base64 !== undefined;
    const form = h('form', {
      class: 'form', onsubmit: (event) => {
        event.preventDefault();
        const list = head.value.split('\n').filter((line) => line.trim()).map((line) => {
          const colon = line.indexOf(':');
          return colon < 0 ? [line, ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
        });
        fill(told);
        busy(button, () => this.send({ method: method.value.trim(), path: path.value.trim(), headers: list, text: body.value, number: found?.number ?? null })
          .catch((error) => fill(told, problem(error))));
      },
    },
    h('div', { class: 'bar inner' }, h('h2', {}, found ? 'Change and send' : 'New request'), h('span', { class: 'grow' }),
      h('button', { type: 'button', class: 'plain', 'aria-label': 'Close', onclick: () => this.close() }, '✕')),
    h('div', { class: 'pair' }, h('label', { for: 'edit-method' }, 'Method'), method, h('label', { for: 'edit-path' }, 'Path'), path),
    h('label', { for: 'edit-headers' }, 'Headers, one a line'), head,
    given.some(([, value]) => value === '***') ? h('p', { class: 'quiet' }, 'What is shown as *** is sent as it was recorded.') : null,
    h('label', { for: 'edit-body' }, 'Body'), body,
    binary ? h('p', { class: 'quiet' }, 'The recorded body is no text and is not shown here.') : null,
    found?.content?.request.body.cut ? h('p', { class: 'quiet' }, 'The body is longer than what was recorded of it.') : null,
    h('div', {}, button), told);
    fill(this.details, form);
    path.focus();
  }

  close() {
    this.editing = false;
    this.show();
    const chosen = this.all.find((request) => request.number === this.list.chosen);
    this.choose(chosen ?? null);
  }

  async send(request) {
    const answer = await api('replay', { method: 'POST', body: request });
    this.editing = false;
    if (this.paused) this.toggle();
    await this.update();
    const sent = this.all.find((other) => other.number === answer.number);
    if (sent) {
      this.told = h('p', { class: 'note', role: 'status' }, `Sent: answered ${answer.status} after ${time(answer.milliseconds)}.`);
      this.list.show(sent);
      this.list.choose(sent);
    } else {
      fill(this.details, h('h2', {}, `Answered ${answer.status}`), headers(answer.headers), content(answer.body));
    }
  }

  press(key) {
    if (key === 'j') this.list.move(1);
    else if (key === 'k') this.list.move(-1);
    else if (key === '/') this.filter.focus();
    else if (key === 'Escape') {
      if (this.editing) this.close();
      else this.list.choose(null);
    } else if (key === 'r' && this.list.chosen !== null && !this.editing) this.details.querySelector('button')?.click();
    else if (key === 'e' && this.found && !this.editing) this.edit(this.found);
    else return false;
    return true;
  }
}

function headers(all) {
  if (!all.length) return h('p', { class: 'quiet' }, 'no headers');
  return h('dl', { class: 'headers' }, all.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

function legend() {
  return h('span', { class: 'legend', 'aria-hidden': 'true' },
    STAGES.map(([stage, words]) => h('span', { title: words }, h('i', { class: `dot ${stage}` }), stage)));
}
