// Small helpers: elements, numbers, and the way to the loop.

/** Makes an element. Attributes that are functions are listeners; text is text, never markup. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== 'string') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The same for pictures. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Puts other content into an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Three digits and a unit. */
export function time(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return '';
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60000)} min ${Math.round((milliseconds % 60000) / 1000)} s`;
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

export function at(milliseconds) {
  return clock.format(milliseconds);
}

export const number = new Intl.NumberFormat();

/** What the loop answered when it refused. */
export class Refusal extends Error {
  constructor(problem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** Asks the loop for something. */
export async function api(path, { method = 'GET', query, body } = {}) {
  const parameters = query ? `?${new URLSearchParams(query)}` : '';
  let response;
  try {
    response = await fetch(`/api/v1/${path}${parameters}`, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal({ message: 'the loop does not answer; it may have ended', causes: [], hints: [] });
  }
  const document = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Refusal(document.error ?? { message: `the loop answered ${response.status}`, causes: [], hints: [] });
  }
  return document;
}

/** Shows an error where it belongs. */
export function problem(error) {
  const found = error.problem ?? { message: error.message, causes: [], hints: [] };
  return h('div', { class: 'problem', role: 'alert' },
    h('strong', {}, found.message),
    (found.causes ?? []).map((cause) => h('div', {}, cause)),
    found.details ? h('pre', {}, found.details) : null,
    (found.hints ?? []).map((hint) => h('div', { class: 'hint' }, hint)));
}

/** Bytes that the loop has sent: text, or what can be seen of other bytes. */
export function content(value) {
  if (!value || value.size === 0) return h('p', { class: 'quiet' }, 'empty');
  const parts = [];
  if (value.text !== undefined) {
    parts.push(h('pre', { class: 'body', tabIndex: 0 }, pretty(value.text, value.cut)));
  } else {
    parts.push(h('pre', { class: 'body', tabIndex: 0 }, hex(value.base64)));
  }
  const shown = value.cut ? `the first part of ${size(value.size)}` : size(value.size);
  parts.push(h('p', { class: 'quiet' }, value.text === undefined ? `${shown}, no text` : shown));
  return h('div', {}, parts);
}

function pretty(text, cut) {
  if (!cut && /^\s*[[{]/.test(text)) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // It only looked like it.
    }
  }
  return text;
}

function hex(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).subarray(0, 1024);
  const lines = [];
  for (let begin = 0; begin < bytes.length; begin += 16) {
    const line = [...bytes.subarray(begin, begin + 16)];
    const digits = line.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const letters = line.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${begin.toString(16).padStart(4, '0')}  ${digits.padEnd(47)}  ${letters}`);
  }
  return lines.join('\n');
}

/** Lines that a component wrote. */
export function lines(all) {
  return h('ol', { class: 'lines' }, all.map((line) => h('li', { class: line.level ?? line.stream },
    h('span', { class: 'tag' }, line.level ?? line.stream), h('span', { class: 'who' }, line.component),
    h('span', { class: 'text' }, line.context ? `${line.context}: ${line.line}` : line.line))));
}

export function empty(title, ...more) {
  return h('div', { class: 'empty' }, h('p', { class: 'title' }, title), more.map((text) => h('p', {}, text)));
}

/** Runs something that the user asked for; a button waits meanwhile. */
export async function busy(button, work) {
  button.disabled = true;
  button.setAttribute('aria-busy', 'true');
  try {
    return await work();
  } finally {
    button.disabled = false;
    button.removeAttribute('aria-busy');
  }
}
