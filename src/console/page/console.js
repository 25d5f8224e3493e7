// The frame: panels, keys, and the stream that says when something has changed.

import { api, fill, h, number } from './dom.js';
import { Builds } from './builds.js';
import { Call } from './call.js';
import { Data } from './data.js';
import { Requests } from './requests.js';
import { Workload } from './workload.js';

const NAMES = ['requests', 'builds', 'data', 'call', 'workload'];
const find = (id) => document.getElementById(id);
const makers = { requests: Requests, builds: Builds, data: Data, call: Call, workload: Workload };
const panels = Object.fromEntries(NAMES.map((name) => [name, new makers[name](find(`panel-${name}`))]));
let current = null;
let seen = {};

function show(name, focus) {
  current = name;
  for (const other of NAMES) {
    const [tab, chosen] = [find(`tab-${other}`), other === name];
    tab.setAttribute('aria-selected', String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    find(`panel-${other}`).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  history.replaceState(null, '', `#${name}`);
  refresh(name);
}

/** What makes a panel look again: a part of what the loop says of its changes. */
const CONCERNS = {
  requests: ['requests'],
  builds: ['story'],
  data: ['requests', 'messages', 'generation', 'lines'],
  call: ['generation'],
  workload: ['generation', 'story'],
};
const shown = {};
const running = {};

/** Brings a panel up to date, once at a time; what changes meanwhile is looked at afterwards. */
async function refresh(name) {
  const now = JSON.stringify(CONCERNS[name].map((key) => seen[key]));
  if (running[name] || shown[name] === now || seen.story === undefined) return;
  // What somebody types into must not be drawn anew under the fingers.
  if (name === 'data' && find('panel-data').querySelector('form :focus')) return;
  running[name] = true;
  try {
    await panels[name].update(name === 'builds' ? await api('story') : undefined);
    shown[name] = now;
  } catch {
    // Said by the banner, or tried again at the next change.
  } finally {
    running[name] = false;
  }
  if (shown[name] === now && JSON.stringify(CONCERNS[name].map((key) => seen[key])) !== now) refresh(name);
}

async function status() {
  const now = await api('status');
  find('project').textContent = now.project;
  document.title = `${now.project} · wash`;
  const state = find('state');
  state.textContent = now.activity ?? now.state;
  state.className = `pill ${now.activity ? 'working' : now.state}`;
  find('version').textContent = now.generation ? `#${now.generation}` : '';
  const address = find('address');
  address.textContent = now.url ?? '';
  if (now.url) address.href = now.url;
  find('count-requests').textContent = now.requests ? number.format(now.requests) : '';
  banner(now.problem ? [h('strong', {}, now.generation ? 'The last version that worked serves. ' : 'Nothing serves yet. '), now.problem.message, ' ',
    h('button', { type: 'button', class: 'link', onclick: () => show('builds', true) }, 'What is wrong')] : null);
}

function banner(...content) {
  const element = find('banner');
  const children = content.flat().filter(Boolean);
  element.hidden = children.length === 0;
  fill(element, children);
}

let asking = false;
let again = false;

async function changed() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    await status();
    await refresh(current);
  } catch {
    // The stream says when the loop is gone.
  } finally {
    asking = false;
  }
  if (again) {
    again = false;
    changed();
  }
}

const stream = new EventSource('/api/v1/events');
stream.addEventListener('changed', (event) => {
  const now = JSON.parse(event.data);
  // Smaller numbers: it is another run.
  if (seen.requests !== undefined && now.requests < seen.requests) location.reload();
  seen = now;
  changed();
});
stream.addEventListener('error', () => {
  const state = find('state');
  state.textContent = 'ended';
  state.className = 'pill broken';
  banner('The loop has ended. When it is started again, the terminal shows the new address of this page.');
});

NAMES.forEach((name) => {
  find(`tab-${name}`).addEventListener('click', () => show(name));
});
document.querySelector('[role=tablist]').addEventListener('keydown', (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  show(NAMES[(NAMES.indexOf(current) + by + NAMES.length) % NAMES.length], true);
});
const help = find('help');
find('help-button').addEventListener('click', () => help.showModal());
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const typing = event.target.matches('input:not([type=checkbox]), textarea, select');
  if (typing) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  if (/^[1-5]$/.test(event.key)) show(NAMES[event.key - 1], true);
  else if (event.key === '?') help.showModal();
  else if (!panels[current].press(event.key)) return;
  event.preventDefault();
});
show(NAMES.includes(location.hash.slice(1)) ? location.hash.slice(1) : 'requests');
