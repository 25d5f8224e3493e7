declare const self: ServiceWorkerGlobalScope;

self.addEventListener('fetch', (event) => event.respondWith(handle(event.request)));

function handle(request: Request): Response {
  const { pathname } = new URL(request.url);
  if (request.method === 'GET' && pathname === '/') {
    return new Response('Hello from wash!\n');
  }
  return new Response('Not found\n', { status: 404 });
}
