// Builds with their errors, versions with their times, and what was odd.

import { api, at, busy, empty, fill, h, problem, size, svg, time } from './dom.js';

/** How editors are told to open a file at a line. */
const EDITORS = {
  'VS Code': (path, line, column) => `vscode://file${path}:${line}:${column}`,
  Cursor: (path, line, column) => `cursor://file${path}:${line}:${column}`,
  Zed: (path, line, column) => `zed://file${path}:${line}:${column}`,
  IntelliJ: (path, line) => `idea://open?file=${encodeURIComponent(path)}&line=${line}`,
};
const OUTCOMES = { changed: 'another component', same: 'the same component', failed: 'failed', cancelled: 'ended for a newer edit' };
const STAGES = ['build', 'compile', 'link'];
const SHOWN = 40;

export class Builds {
  constructor(panel) {
    this.chart = h('div', { class: 'card' });
    this.now = h('div', {});
    this.builds = h('div', { class: 'card' });
    this.notes = h('div', { class: 'card' });
    this.source = h('div', { class: 'card source', hidden: true });
    this.editor = h('select', { id: 'editor', onchange: () => remember(this.editor.value) },
      Object.keys(EDITORS).map((name) => h('option', { selected: name === remembered() }, name)));
    panel.append(h('div', { class: 'columns' },
      h('div', {}, this.now, this.chart, this.builds),
      h('div', {}, this.source, this.notes,
        h('p', { class: 'quiet pad' }, h('label', { for: 'editor' }, 'Files are opened with '), this.editor))));
  }

  update(story) {
    fill(this.now, story.problem ? h('div', { class: 'card bad' }, h('h2', {}, 'What is wrong now'), this.trouble(story.problem)) : null);
    fill(this.chart, h('h2', {}, 'Reloads'), story.versions.length ? chart(story.versions) : empty('No version yet', 'The first build is under way.'));
    fill(this.builds, h('h2', {}, 'Builds'),
      story.builds.length ? null : empty('No build yet', 'Save a file, and it is built.'),
      [...story.builds].reverse().map((build) => h('details', { class: `build ${build.outcome}` },
        h('summary', {},
          h('span', { class: `status ${build.outcome === 'failed' ? 'bad' : 'good'}` }, build.outcome === 'failed' ? 'failed' : 'ok'),
          h('span', { class: 'grow' }, `${build.project}: ${OUTCOMES[build.outcome]}`),
          h('span', { class: 'quiet' }, [build.size ? size(build.size) : null, build.outcome === 'cancelled' ? null : time(build.milliseconds), at(build.at)].filter(Boolean).join(' · '))),
        build.problem ? this.trouble(build.problem) : h('p', { class: 'quiet' }, 'it ended well'))));
    const first = this.builds.querySelector('details');
    if (first && story.builds.at(-1).problem) first.open = true;
    fill(this.notes, h('h2', {}, 'Notes'),
      story.notes.length ? h('ul', { class: 'notes' }, [...story.notes].reverse().slice(0, 50).map((note) => h('li', {},
        h('span', { class: 'quiet' }, at(note.at)), ' ', note.message, note.hint ? h('div', { class: 'hint' }, note.hint) : null)))
        : h('p', { class: 'quiet' }, 'Nothing odd so far.'));
  }

  trouble(found) {
    return h('div', {},
      h('p', {}, h('strong', {}, found.message)),
      found.causes.map((cause) => h('p', { class: 'quiet' }, cause)),
      found.places.length ? h('ul', { class: 'places' }, found.places.map((place) => {
        const name = `${place.file}:${place.line}${place.column ? `:${place.column}` : ''}`;
        const button = h('button', { type: 'button', class: 'link', onclick: () => busy(button, () => this.look(place)) }, name);
        return h('li', {}, button, ' ', place.message ?? '');
      })) : null,
      found.text ? h('pre', { class: 'fault', tabIndex: 0 }, plain(found.text)) : null,
      found.hints.map((hint) => h('div', { class: 'hint' }, hint)));
  }

  /** Shows the lines around a place. */
  async look(place) {
    this.source.hidden = false;
    try {
      const found = await api('source', { query: { file: place.file, line: place.line } });
      const open = EDITORS[this.editor.value](found.path, place.line, place.column ?? 1);
      fill(this.source, h('div', { class: 'bar inner' }, h('h2', {}, `${place.file}:${place.line}`), h('span', { class: 'grow' }),
        h('a', { class: 'button', href: open }, `Open in ${this.editor.value}`),
        h('button', { type: 'button', class: 'plain', 'aria-label': 'Close', onclick: () => { this.source.hidden = true; } }, '✕')),
      place.message ? h('p', {}, place.message) : null,
      h('ol', { class: 'code', tabIndex: 0, 'aria-label': 'Source' }, found.lines.map((line, index) => {
        const at = found.begin + index;
        const item = h('li', at === place.line ? { class: 'here', 'aria-current': 'true' } : {}, h('span', { class: 'at' }, String(at)), h('code', {}, line || ' '));
        return item;
      })));
    } catch (error) {
      fill(this.source, h('h2', {}, `${place.file}:${place.line}`), problem(error));
    }
    this.source.scrollIntoView({ block: 'nearest' });
  }

  press(key) {
    if (key !== 'Escape' || this.source.hidden) return false;
    this.source.hidden = true;
    return true;
  }
}

/** A bar for each version: what the time from the edit to serving was spent on. */
function chart(versions) {
  const shown = versions.slice(-SHOWN);
  const [width, height, foot] = [640, 150, 22];
  const whole = (version) => STAGES.reduce((sum, stage) => sum + version[`${stage}_milliseconds`], 0);
  const most = Math.max(1, ...shown.map(whole));
  const step = Math.min(48, width / shown.length);
  const bars = shown.map((version, index) => {
    let top = height;
    const words = `version ${version.generation}: ${STAGES.map((stage) => `${stage} ${time(version[`${stage}_milliseconds`])}`).join(', ')}; ${time(version.since_edit_milliseconds)} from the edit to serving`;
    const parts = STAGES.map((stage) => {
      const tall = (version[`${stage}_milliseconds`] / most) * (height - 14);
      top -= tall;
      return svg('rect', { class: `stage-${stage}`, x: index * step + 3, y: top, width: step - 6, height: Math.max(0, tall) });
    });
    const label = svg('text', { x: index * step + step / 2, y: height + 15, 'text-anchor': 'middle' });
    label.textContent = index === 0 || index === shown.length - 1 || index % 5 === 0 ? `#${version.generation}` : '';
    const title = svg('title');
    title.textContent = words;
    return svg('g', {}, title, parts, label);
  });
  const line = svg('line', { x1: 0, x2: width, y1: height, y2: height, class: 'axis' });
  const top = svg('text', { x: width, y: 10, 'text-anchor': 'end' });
  top.textContent = time(most);
  const newest = shown.at(-1);
  return h('div', {},
    svg('svg', { viewBox: `0 0 ${width} ${height + foot}`, class: 'chart', role: 'img', 'aria-label': `Times of the last ${shown.length} versions` }, line, top, bars),
    h('p', { class: 'legend' }, STAGES.map((stage) => h('span', {}, h('i', { class: `dot stage-${stage}` }), `${stage} ${time(newest[`${stage}_milliseconds`])}`)),
      h('span', { class: 'quiet' }, `#${newest.generation}: ${time(newest.since_edit_milliseconds)} from the edit to serving`)));
}

/** Tools colour their text for terminals. */
function plain(text) {
  return text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');
}

function remembered() {
  try {
    return localStorage.getItem('editor') ?? 'VS Code';
  } catch {
    return 'VS Code';
  }
}

function remember(name) {
  try {
    localStorage.setItem('editor', name);
  } catch {
    // Asked again the next time.
  }
}
