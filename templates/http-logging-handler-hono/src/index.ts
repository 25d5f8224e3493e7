import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { type Level, log } from 'wasi:logging/logging@0.1.0-draft';

declare const self: ServiceWorkerGlobalScope;

const LEVELS: Level[] = ['trace', 'debug', 'info', 'warn', 'error', 'critical'];

const USAGE = `\
GET  /             these lines
POST /log/{level}  writes the body to the log; {level} is ${LEVELS.join(', ')}
GET  /fail         an error that nobody has foreseen
`;

/** The log of one part of the program: the host shows that part with each line. */
const logger = (part: string) => (level: Level, message: string) => log(level, part, message);
const http = logger('http');
const notes = logger('notes');

const app = new Hono();

// Every request is logged, as loudly as its answer deserves.
app.use(async (c, next) => {
  const begun = performance.now();
  http('debug', `${c.req.method} ${c.req.path} begins`);
  await next();
  const { status } = c.res;
  const level = status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info';
  http(level, `${c.req.method} ${c.req.path} ${status} ${Math.round(performance.now() - begun)}ms`);
});

app.get('/', (c) => c.text(USAGE));

app.post('/log/:level', async (c) => {
  const level = LEVELS.find((level) => level === c.req.param('level'));
  if (level === undefined) {
    throw new HTTPException(400, { message: `A level is one of ${LEVELS.join(', ')}\n` });
  }
  notes(level, await c.req.text());
  return c.body(null, 204);
});

app.get('/fail', () => {
  throw new Error('this route always fails');
});

app.notFound((c) => c.text('Not found\n', 404));

app.onError((error, c) => {
  if (error instanceof HTTPException) {
    return error.getResponse();
  }
  // The client learns nothing of it, the log everything.
  http('critical', `${error}\n${error.stack}`);
  return c.text('Internal server error\n', 500);
});

self.addEventListener('fetch', (event) => event.respondWith(app.fetch(event.request)));
