import { type Context, Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { createContainer, getContainer } from 'wasi:blobstore/blobstore@0.2.0-draft';
import type { Container } from 'wasi:blobstore/container@0.2.0-draft';
import { IncomingValue, OutgoingValue } from 'wasi:blobstore/types@0.2.0-draft';
import type { InputStream, OutputStream, StreamError } from 'wasi:io/streams@0.2.10';

declare const self: ServiceWorkerGlobalScope;

// The container that everything is kept in.
const CONTAINER = 'blobs';

const USAGE = `\
PUT    /blobs/{name}       store the request body
GET    /blobs/{name}       read it
DELETE /blobs/{name}       remove it
GET    /blobs/{name}/info  name and size
GET    /blobs              list all names
`;

const app = new Hono();

// What a failed call of the blob store throws is no `Error` to Hono, which gives only errors to `onError`.
app.use(async (c, next) => {
  try {
    await next();
  } catch (thrown) {
    c.res = failed(thrown as Failure, c);
  }
});

app.get('/', (c) => c.text(USAGE));

app.put('/blobs/:name', async (c) => {
  using container = openContainer();
  const value = OutgoingValue.newOutgoingValue();
  try {
    container.writeData(c.req.param('name'), value);
    using output = value.outgoingValueWriteBody();
    await copy(c.req.raw.body, output);
  } catch (error) {
    // Without `finish` nothing is stored, and an earlier blob of that name stays.
    value[Symbol.dispose]();
    throw error;
  }
  OutgoingValue.finish(value);
  return c.body(null, 201);
});

app.get('/blobs/:name', (c) => {
  using container = openContainer();
  const name = c.req.param('name');
  if (!container.hasObject(name)) {
    return c.text('No such blob\n', 404);
  }
  const { size } = container.objectInfo(name);
  c.header('content-type', 'application/octet-stream');
  if (size === 0n) {
    return c.body('');
  }
  // The second offset is that of the last byte.
  const value = container.getData(name, 0n, size - 1n);
  return c.body(read(IncomingValue.incomingValueConsumeAsync(value)));
});

app.delete('/blobs/:name', (c) => {
  using container = openContainer();
  container.deleteObject(c.req.param('name'));
  return c.body(null, 204);
});

app.get('/blobs/:name/info', (c) => {
  using container = openContainer();
  const name = c.req.param('name');
  if (!container.hasObject(name)) {
    return c.text('No such blob\n', 404);
  }
  const { size } = container.objectInfo(name);
  return c.json({ name, size: Number(size) });
});

app.get('/blobs', (c) => {
  using container = openContainer();
  using stream = container.listObjects();
  const names: string[] = [];
  for (let end = false; !end; ) {
    const [some, last] = stream.readStreamObjectNames(100n);
    names.push(...some);
    end = last;
  }
  return c.json(names.sort());
});

app.notFound((c) => c.text('Not found\n', 404));

app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : failed(error, c)));

function openContainer(): Container {
  try {
    return getContainer(CONTAINER);
  } catch {
    // The first time there is none.
  }
  try {
    return createContainer(CONTAINER);
  } catch {
    // Another request was quicker, or the store is out of order, which this call then reports.
    return getContainer(CONTAINER);
  }
}

/** Writes a request body, which is null for an empty one, as it arrives. */
async function copy(body: ReadableStream<Uint8Array> | null, output: OutputStream): Promise<void> {
  const reader = body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    for (let rest = next.value; rest.length > 0; ) {
      const room = Number(output.checkWrite());
      if (room === 0) {
        using ready = output.subscribe();
        ready.block();
        continue;
      }
      output.write(rest.subarray(0, room));
      rest = rest.subarray(room);
    }
  }
  output.blockingFlush();
}

/** Returns the bytes of a blob as a response body, read from the store as the client takes them. */
function read(input: InputStream): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      try {
        controller.enqueue(input.blockingRead(65536n));
      } catch (thrown) {
        input[Symbol.dispose]();
        const { payload } = thrown as { payload?: StreamError };
        if (payload?.tag === 'closed') {
          controller.close();
        } else {
          controller.error(new Error(reason(thrown as Failure)));
        }
      }
    },
    cancel: () => input[Symbol.dispose](),
  });
}

type Failure = Error & { payload?: string | StreamError };

function failed(failure: Failure, c: Context): Response {
  // The console of the engine leaves the stack out when it is given the error itself.
  console.error(`${reason(failure)}\n${failure.stack}`);
  return c.text('Internal server error\n', 500);
}

function reason(failure: Failure): string {
  const { payload } = failure;
  if (payload === undefined) {
    return String(failure);
  }
  if (typeof payload === 'string') {
    return `blob store: ${payload}`;
  }
  return `blob store: ${payload.tag === 'closed' ? 'closed' : payload.val.toDebugString()}`;
}

// The first request of all is answered during the build: what Hono gets ready for it is then part of the component.
await app.request('/');

self.addEventListener('fetch', (event) => event.respondWith(app.fetch(event.request)));
