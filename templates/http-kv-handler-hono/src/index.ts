import { type Context, Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { increment } from 'wasi:keyvalue/atomics@0.2.0-draft';
import { open, type Error as StoreError } from 'wasi:keyvalue/store@0.2.0-draft';

declare const self: ServiceWorkerGlobalScope;

// The bucket that everything is kept in. The empty name stands for the host's default bucket, which exists everywhere; any other name has
// to be known to the host.
const BUCKET = '';

const USAGE = `\
PUT    /kv/{key}       store the request body
GET    /kv/{key}       read it
DELETE /kv/{key}       remove it
GET    /kv             list all keys
POST   /counter/{key}  add one and get the new number
`;

const app = new Hono();

// What a failed call of the store throws is no `Error` to Hono, which gives only errors to `onError`.
app.use(async (c, next) => {
  try {
    await next();
  } catch (thrown) {
    c.res = failed(thrown as Failure, c);
  }
});

app.get('/', (c) => c.text(USAGE));

app.put('/kv/:key{.+}', async (c) => {
  const value = new Uint8Array(await c.req.arrayBuffer());
  using bucket = open(BUCKET);
  bucket.set(c.req.param('key'), value);
  return c.body(null, 204);
});

app.get('/kv/:key{.+}', (c) => {
  using bucket = open(BUCKET);
  const value = bucket.get(c.req.param('key'));
  if (value === undefined) {
    return c.text('No such key\n', 404);
  }
  return c.body(value as Uint8Array<ArrayBuffer>, 200, { 'content-type': 'application/octet-stream' });
});

app.delete('/kv/:key{.+}', (c) => {
  using bucket = open(BUCKET);
  bucket.delete(c.req.param('key'));
  return c.body(null, 204);
});

// A host may hand the keys out in pages, in any order.
app.get('/kv', (c) => {
  using bucket = open(BUCKET);
  const keys: string[] = [];
  let cursor: bigint | undefined;
  do {
    const page = bucket.listKeys(cursor);
    keys.push(...page.keys);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return c.json(keys.sort());
});

// The host adds, so that no request is lost when many come at once.
app.post('/counter/:key{.+}', (c) => {
  using bucket = open(BUCKET);
  const number = increment(bucket, c.req.param('key'), 1n);
  return c.text(`${number}\n`);
});

app.notFound((c) => c.text('Not found\n', 404));

app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : failed(error, c)));

type Failure = Error & { payload?: StoreError };

function failed(error: Failure, c: Context): Response {
  const { payload, stack } = error;
  const reason = payload ? `key-value store: ${'val' in payload ? payload.val : payload.tag}` : String(error);
  // The console of the engine leaves the stack out when it is given the error itself.
  console.error(`${reason}\n${stack}`);
  return c.text('Internal server error\n', 500);
}

// The first request of all is answered during the build: what Hono gets ready for it is then part of the component.
await app.request('/');

self.addEventListener('fetch', (event) => event.respondWith(app.fetch(event.request)));
