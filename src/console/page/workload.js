// Who calls whom, and the settings in force with where each comes from.

import { api, empty, fill, h, svg } from './dom.js';

const [WIDE, TALL, GAP_X, GAP_Y] = [190, 46, 90, 18];

export class Workload {
  constructor(panel) {
    this.picture = h('div', { class: 'card' });
    this.filter = h('input', { type: 'search', placeholder: 'Filter settings', 'aria-label': 'Filter settings', oninput: () => this.show() });
    this.own = h('input', { type: 'checkbox', checked: true, onchange: () => this.show() });
    this.table = h('div', {});
    this.settings = [];
    panel.append(this.picture, h('div', { class: 'card' }, h('div', { class: 'bar inner' }, h('h2', {}, 'Settings in force'), h('span', { class: 'grow' }),
      h('label', { class: 'check' }, this.own, 'without defaults'), this.filter), this.table));
  }

  async update() {
    const { graph, settings } = await api('workload');
    this.settings = settings;
    fill(this.picture, h('h2', {}, 'Links'), graph ? draw(graph) : empty('No version serves yet'));
    this.show();
  }

  show() {
    const words = this.filter.value.toLowerCase();
    const wanted = (one) => (!this.own.checked || one.origin !== 'default') && `${one.key} ${JSON.stringify(one.value)} ${one.origin}`.toLowerCase().includes(words);
    const found = this.settings.filter(wanted);
    fill(this.table, found.length ? h('table', {},
      h('thead', {}, h('tr', {}, ['Key', 'Value', 'From'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, found.map((one) => h('tr', {}, h('th', { scope: 'row' }, one.key),
        h('td', {}, h('code', {}, typeof one.value === 'string' ? one.value : JSON.stringify(one.value))), h('td', { class: 'quiet' }, one.origin)))))
      : h('p', { class: 'quiet' }, this.own.checked ? 'Nothing is set: all is as the defaults say.' : 'No setting is called so.'));
  }

  press(key) {
    if (key !== '/') return false;
    this.filter.focus();
    return true;
  }
}

/** The packages of interfaces, without versions of their parts: `wasi:io/streams@0.2.0` is of `wasi:io`. */
function packages(node) {
  const names = new Map();
  for (const name of node.host_imports) {
    const [bare] = name.split('/');
    names.set(bare, [...(names.get(bare) ?? []), name]);
  }
  return names;
}

function draw(graph) {
  const nodes = graph.nodes.map((node, index) => ({ ...node, index, column: 0 }));
  // A component stands to the right of all that call it.
  for (let round = 0; round < nodes.length; round += 1) {
    for (const { from, to } of graph.links) nodes[to].column = Math.max(nodes[to].column, nodes[from].column + 1);
  }
  const columns = [];
  for (const node of nodes) (columns[node.column] ??= []).push(node);
  const hosts = new Map();
  for (const node of nodes) {
    for (const [name, interfaces] of packages(node)) {
      const host = hosts.get(name) ?? { name, host: true, users: [], interfaces: new Set() };
      host.users.push(node);
      for (const one of interfaces) host.interfaces.add(one);
      hosts.set(name, host);
    }
  }
  const right = [...hosts.values()].sort((one, other) => one.name.localeCompare(other.name));
  if (right.length) columns.push(right);
  const tallest = Math.max(...columns.map((column) => column.length));
  const [width, height] = [columns.length * (WIDE + GAP_X) - GAP_X + 4, tallest * (TALL + GAP_Y) - GAP_Y + 4];
  columns.forEach((column, x) => {
    const top = (height - (column.length * (TALL + GAP_Y) - GAP_Y)) / 2;
    column.forEach((node, y) => {
      node.x = x * (WIDE + GAP_X) + 2;
      node.y = top + y * (TALL + GAP_Y);
    });
  });
  const edge = (from, to, words, kind) => {
    const [x1, y1, x2, y2] = [from.x + WIDE, from.y + TALL / 2, to.x, to.y + TALL / 2];
    const bend = Math.max(40, (x2 - x1) / 2);
    const title = svg('title');
    title.textContent = words;
    return svg('path', { class: `edge ${kind}`, d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}` }, title);
  };
  const edges = [
    ...right.flatMap((host) => host.users.map((node) => edge(node, host, `${node.name} uses ${host.name}`, 'to-host'))),
    ...graph.links.map(({ from, to, interface: through }) => edge(nodes[from], nodes[to], `${nodes[from].name} calls ${nodes[to].name} through ${through}`, 'call')),
  ];
  const boxes = [...nodes, ...right].map((node) => {
    const title = svg('title');
    title.textContent = node.host ? [...node.interfaces].join('\n') : `${node.name}${node.service ? ', the service' : ''}`;
    const name = svg('text', { x: node.x + WIDE / 2, y: node.y + 20, 'text-anchor': 'middle' });
    name.textContent = short(node.name);
    const kind = svg('text', { x: node.x + WIDE / 2, y: node.y + 36, 'text-anchor': 'middle', class: 'small' });
    kind.textContent = node.host ? `host · ${node.interfaces.size} interface${node.interfaces.size === 1 ? '' : 's'}` : node.service ? 'service' : 'component';
    return svg('g', { class: node.host ? 'box host' : 'box' }, title,
      svg('rect', { x: node.x, y: node.y, width: WIDE, height: TALL, rx: 8 }), name, kind);
  });
  const words = [
    ...graph.links.map(({ from, to, interface: through }) => `${nodes[from].name} calls ${nodes[to].name} through ${through}`),
    ...nodes.map((node) => `${node.name} uses ${[...packages(node).keys()].join(', ') || 'nothing'} of the host`),
  ];
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, class: 'graph', role: 'img', 'aria-label': `Links of the workload. ${words.join('. ')}` }, edges, boxes);
  return h('div', { class: 'scroll', tabIndex: 0, 'aria-label': 'Picture of the links' }, picture);
}

function short(name) {
  return name.length > 24 ? `${name.slice(0, 23)}…` : name;
}
