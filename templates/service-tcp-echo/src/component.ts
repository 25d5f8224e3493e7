import { instanceNetwork } from './network';
import { createTcpSocket } from 'wasi:sockets/tcp-create-socket@0.2.3';

declare const self: ServiceWorkerGlobalScope;

// Where the service listens. Inside of a workload that is its own network, whatever else listens on this port of the machine.
const PORT = 7878;

self.addEventListener('fetch', (event) => event.respondWith(handle(event.request)));

async function handle(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method === 'GET' && pathname === '/') {
    return new Response('POST /count  with some text, to have its words counted\n');
  }
  if (request.method !== 'POST' || pathname !== '/count') {
    return new Response('Not found\n', { status: 404 });
  }
  const text = await request.text();
  try {
    const [words, lines] = ask(text).split(' ').map(Number);
    return Response.json({ text, words, counted: lines });
  } catch (error) {
    return new Response(`The service does not answer: ${reason(error)}\n`, { status: 502 });
  }
}

/** Sends one line to the service and returns its answer. */
function ask(text: string): string {
  const socket = createTcpSocket('ipv4');
  try {
    socket.startConnect(instanceNetwork(), { tag: 'ipv4', val: { address: [127, 0, 0, 1], port: PORT } });
    const connected = socket.subscribe();
    connected.block();
    connected[Symbol.dispose]();
    const [input, output] = socket.finishConnect();
    try {
      const line = new TextEncoder().encode(`${text.replaceAll('\n', ' ')}\n`);
      // So much is taken by one call.
      for (let at = 0; at < line.length; at += 4096) {
        output.blockingWriteAndFlush(line.subarray(at, at + 4096));
      }
      let answer = '';
      while (!answer.endsWith('\n')) {
        answer += new TextDecoder().decode(input.blockingRead(4096n));
      }
      return answer;
    } finally {
      output[Symbol.dispose]();
      input[Symbol.dispose]();
    }
  } finally {
    // A socket goes after everything that was made of it.
    socket[Symbol.dispose]();
  }
}

/** What a failed call of the host throws has its error in `payload`. */
function reason(error: unknown): string {
  return JSON.stringify((error as { payload?: unknown }).payload ?? String(error));
}
