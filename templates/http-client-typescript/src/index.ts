declare const self: ServiceWorkerGlobalScope;

const USAGE = `\
ANY /fetch?url={url}    sends the request there and answers with what comes back
GET /headers?url={url}  the status and the headers of an answer, as JSON
GET /json?url={url}     the keys of a JSON document
A \`?\` or \`&\` in the URL itself has to be written as %3F or %26.
`;

// What is passed on of a request and of a response. Everything else is between this component and either side.
const REQUEST_HEADERS = ['accept', 'accept-language', 'authorization', 'content-type', 'user-agent'];
const RESPONSE_HEADERS = ['content-type', 'content-language', 'cache-control', 'etag', 'last-modified', 'location'];

self.addEventListener('fetch', (event) => event.respondWith(handle(event.request)));

async function handle(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === '/') {
    return new Response(USAGE);
  }
  const route = { '/fetch': passOn, '/headers': headers, '/json': keys }[pathname];
  if (route === undefined) {
    return new Response('Not found\n', { status: 404 });
  }
  const url = target(searchParams.get('url'));
  if (url === undefined) {
    return new Response(USAGE, { status: 400 });
  }
  try {
    return await route(url, request);
  } catch (error) {
    return new Response(`Could not fetch ${url}: ${error instanceof Error ? error.message : error}\n`, { status: 502 });
  }
}

/** A complete HTTP URL, or nothing. */
function target(text: string | null): string | undefined {
  try {
    const url = new URL(text ?? '');
    return ['http:', 'https:'].includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** Sends the request on with its method and body, and the answer back as it comes in. */
async function passOn(url: string, request: Request): Promise<Response> {
  const hasBody = !['GET', 'HEAD'].includes(request.method);
  const answer = await fetch(url, {
    method: request.method,
    headers: only(REQUEST_HEADERS, request.headers),
    ...(hasBody && { body: await request.arrayBuffer() }),
  });
  return new Response(answer.body, { status: answer.status, headers: only(RESPONSE_HEADERS, answer.headers) });
}

async function headers(url: string): Promise<Response> {
  const answer = await fetch(url);
  return Response.json({ status: answer.status, headers: Object.fromEntries(answer.headers) });
}

async function keys(url: string): Promise<Response> {
  const answer = await fetch(url, { headers: { accept: 'application/json' } });
  const document: unknown = await answer.json();
  return Response.json({ keys: Object.keys(document ?? {}) });
}

function only(names: string[], headers: Headers): Headers {
  return new Headers(names.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value] as [string, string]];
  }));
}
