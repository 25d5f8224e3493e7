import { Hono } from 'hono';

declare const self: ServiceWorkerGlobalScope;

const app = new Hono();

app.get('/', (c) => c.text('Hello from wash!\n'));

app.notFound((c) => c.text('Not found\n', 404));

// The first request of all is answered during the build: what Hono gets ready for it is then part of the component.
await app.request('/');

self.addEventListener('fetch', (event) => event.respondWith(app.fetch(event.request)));
