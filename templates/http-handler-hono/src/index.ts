import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { HTTPException } from 'hono/http-exception';
import { type RequestIdVariables, requestId } from 'hono/request-id';
import { timing, type TimingVariables } from 'hono/timing';

declare const self: ServiceWorkerGlobalScope;

const USAGE = `\
GET    /items       all items; ?done=true or ?done=false chooses
GET    /items/{id}  one of them
POST   /items       add one: {"title": "…"}
PUT    /items/{id}  change it: {"title": "…", "done": true}
DELETE /items/{id}  remove it
`;

type Item = { id: number; title: string; done: boolean };

// Each request has a fresh instance of the component, and so these items as they are here: a change is answered and then forgotten.
// What is to stay belongs into a store; the template http-kv-handler-hono has one.
const items = new Map<number, Item>([
  [1, { id: 1, title: 'write a component', done: true }],
  [2, { id: 2, title: 'serve it', done: false }],
]);

const app = new Hono<{ Variables: RequestIdVariables & TimingVariables }>();

// What comes first is around everything after it.
app.use(requestId());
app.use(timing());
app.use(async (c, next) => {
  await next();
  console.log(`${c.get('requestId')} ${c.req.method} ${c.req.path} ${c.res.status}`);
});
app.use('/items/*', cors({ origin: '*', allowMethods: ['GET', 'POST', 'PUT', 'DELETE'] }));

app.get('/', (c) => c.text(USAGE));

app.get('/items', (c) => {
  const done = c.req.query('done');
  const wanted = [...items.values()].filter((item) => done === undefined || String(item.done) === done);
  return c.json(wanted);
});

app.get('/items/:id', (c) => c.json(find(c.req.param('id'))));

app.post('/items', async (c) => {
  const { title } = await read(c.req.raw);
  if (title === undefined) {
    throw new HTTPException(400, { message: 'an item needs a `title`' });
  }
  const item: Item = { id: items.size + 1, title, done: false };
  items.set(item.id, item);
  c.header('location', `/items/${item.id}`);
  return c.json(item, 201);
});

app.put('/items/:id', async (c) => {
  const item = { ...find(c.req.param('id')), ...(await read(c.req.raw)) };
  items.set(item.id, item);
  return c.json(item);
});

app.delete('/items/:id', (c) => {
  items.delete(find(c.req.param('id')).id);
  return c.body(null, 204);
});

app.notFound((c) => c.json({ error: 'there is nothing here' }, 404));

app.onError((error, c) => {
  if (error instanceof HTTPException) {
    return c.json({ error: error.message }, error.status);
  }
  // The console of the engine leaves the stack out when it is given the error itself.
  console.error(`${error}\n${error.stack}`);
  return c.json({ error: 'internal server error' }, 500);
});

function find(id: string): Item {
  const item = items.get(Number(id));
  if (item === undefined) {
    throw new HTTPException(404, { message: `there is no item ${id}` });
  }
  return item;
}

/** Reads what a request says of an item, and nothing else that it may say. */
async function read(request: Request): Promise<{ title?: string; done?: boolean }> {
  const body: unknown = await request.json().catch(() => undefined);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HTTPException(400, { message: 'the body has to be a JSON object' });
  }
  const { title, done } = body as Record<string, unknown>;
  if (title !== undefined && (typeof title !== 'string' || title === '')) {
    throw new HTTPException(400, { message: '`title` has to be a text' });
  }
  if (done !== undefined && typeof done !== 'boolean') {
    throw new HTTPException(400, { message: '`done` has to be true or false' });
  }
  return { ...(title !== undefined && { title }), ...(done !== undefined && { done }) };
}

self.addEventListener('fetch', (event) => event.respondWith(app.fetch(event.request)));
