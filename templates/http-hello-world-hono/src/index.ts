import { Hono } from 'hono';
import { fire } from '@bytecodealliance/jco-std/wasi/0.2.x/http/adapters/hono/server';

const app = new Hono();

app.get('/', (c) => c.text('Hello from wash!\n'));

app.notFound((c) => c.text('Not found\n', 404));

fire(app);

// The export of the component: it hands each request to the app given to `fire`.
export { incomingHandler } from '@bytecodealliance/jco-std/wasi/0.2.x/http/adapters/hono/server';
