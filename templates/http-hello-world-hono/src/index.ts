import { Hono } from 'hono';
import { serve } from './wasi-http';

const app = new Hono();

app.get('/', (c) => c.text('Hello from wash!\n'));

app.notFound((c) => c.text('Not found\n', 404));

export const incomingHandler = serve(app.fetch);
