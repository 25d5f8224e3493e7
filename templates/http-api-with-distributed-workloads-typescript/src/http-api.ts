import { request as ask } from 'wasmcloud:messaging/consumer@0.2.0';

declare const self: ServiceWorkerGlobalScope;

// How long a worker may take to answer.
const TIMEOUT_MS = 5000;

const USAGE = `\
POST /task  with some text, or with JSON: {"worker": "leet", "payload": "some text"}
`;

self.addEventListener('fetch', (event) => event.respondWith(handle(event.request)));

async function handle(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method === 'GET' && pathname === '/') {
    return new Response(USAGE);
  }
  if (request.method !== 'POST' || pathname !== '/task') {
    return new Response('Not found\n', { status: 404 });
  }
  const task = await readTask(request);
  if (typeof task === 'string') {
    return new Response(`${task}\n${USAGE}`, { status: 400 });
  }
  const subject = `tasks.${task.worker}`;
  try {
    const reply = ask(subject, new TextEncoder().encode(task.payload), TIMEOUT_MS);
    return new Response(reply.body as Uint8Array<ArrayBuffer>);
  } catch (error) {
    return new Response(`No result from ${subject}: ${reason(error)}\n`, { status: 502 });
  }
}

type Task = { worker: string; payload: string };

/** The task, or what is wrong with it. */
async function readTask(request: Request): Promise<Task | string> {
  let task: Partial<Task> | null = { worker: 'leet', payload: await request.text() };
  if (request.headers.get('content-type')?.startsWith('application/json')) {
    try {
      task = JSON.parse(task.payload ?? '') as Partial<Task> | null;
    } catch (error) {
      return String(error);
    }
  }
  const { worker = 'leet', payload } = task ?? {};
  // The name becomes part of a subject, where dots and wildcards have a meaning of their own.
  if (typeof worker !== 'string' || !/^[A-Za-z0-9_-]+$/.test(worker)) {
    return "a worker's name has letters, digits, `-` and `_`";
  }
  return typeof payload === 'string' && payload !== '' ? { worker, payload } : 'there is nothing to do';
}

/** What a failed call of the host throws has its error in `payload`. */
function reason(error: unknown): string {
  return String((error as { payload?: unknown }).payload ?? error);
}
