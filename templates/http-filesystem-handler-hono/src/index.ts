import { type Context, Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { getDirectories } from 'wasi:filesystem/preopens@0.2.3';
import type { Descriptor, ErrorCode } from 'wasi:filesystem/types@0.2.3';

declare const self: ServiceWorkerGlobalScope;

// The folder that the component sees; which folder of the machine it is, the settings say.
const FOLDER = '/data';
// So much is read or written by one call.
const CHUNK = 65536;

const USAGE = `\
GET    /files         what is in the folder
GET    /files/{path}  read a file
PUT    /files/{path}  write the request body to it
DELETE /files/{path}  remove it
`;

const app = new Hono();

// What a failed call of the host throws is no `Error` to Hono, which gives only errors to `onError`.
app.use(async (c, next) => {
  try {
    await next();
  } catch (thrown) {
    c.res = failed(thrown as Failure, c);
  }
});

app.get('/', (c) => c.text(USAGE));

app.get('/files', (c) => {
  const folder = openFolder();
  using entries = folder.readDirectory();
  const names: string[] = [];
  for (let entry = entries.readDirectoryEntry(); entry !== undefined; entry = entries.readDirectoryEntry()) {
    names.push(entry.type === 'directory' ? `${entry.name}/` : entry.name);
  }
  return c.json(names.sort());
});

app.get('/files/:path{.+}', (c) => {
  const file = openFolder().openAt({ symlinkFollow: true }, c.req.param('path'), {}, { read: true });
  const { type, size } = file.stat();
  if (type !== 'regular-file') {
    file[Symbol.dispose]();
    throw new HTTPException(400, { message: 'That is no file\n' });
  }
  c.header('content-type', 'application/octet-stream');
  c.header('content-length', String(size));
  return c.body(read(file));
});

app.put('/files/:path{.+}', async (c) => {
  const path = c.req.param('path');
  const folder = openFolder();
  makeFolders(folder, path.split('/').slice(0, -1));
  using file = folder.openAt({ symlinkFollow: true }, path, { create: true, truncate: true }, { write: true });
  let offset = 0n;
  const reader = c.req.raw.body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    for (let rest = next.value; rest.length > 0; ) {
      const written = file.write(rest.subarray(0, CHUNK), offset);
      offset += written;
      rest = rest.subarray(Number(written));
    }
  }
  return c.body(null, 201);
});

app.delete('/files/:path{.+}', (c) => {
  openFolder().unlinkFileAt(c.req.param('path'));
  return c.body(null, 204);
});

app.notFound((c) => c.text('Not found\n', 404));

app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : failed(error, c)));

/** The folder that the host has opened for this component: there are no others. */
function openFolder(): Descriptor {
  const found = getDirectories().find(([, path]) => path === FOLDER);
  if (found === undefined) {
    throw new HTTPException(500, { message: `The host has not mounted ${FOLDER}: see dev.volumes in .wash/config.yaml\n` });
  }
  return found[0];
}

function makeFolders(folder: Descriptor, names: string[]): void {
  for (let depth = 1; depth <= names.length; depth += 1) {
    try {
      folder.createDirectoryAt(names.slice(0, depth).join('/'));
    } catch (thrown) {
      if ((thrown as Failure).payload !== 'exist') {
        throw thrown;
      }
    }
  }
}

/** Returns the bytes of a file as a response body, read as the client takes them. */
function read(file: Descriptor): ReadableStream<Uint8Array> {
  let offset = 0n;
  return new ReadableStream({
    pull(controller) {
      const [bytes, end] = file.read(BigInt(CHUNK), offset);
      offset += BigInt(bytes.length);
      if (bytes.length > 0) {
        controller.enqueue(bytes);
      }
      if (end) {
        file[Symbol.dispose]();
        controller.close();
      }
    },
    cancel: () => file[Symbol.dispose](),
  });
}

type Failure = Error & { payload?: ErrorCode };

/** What the host says about a path decides the status. A path that leads out of the folder is `not-permitted`. */
function failed(failure: Failure, c: Context): Response {
  switch (failure.payload) {
    case 'no-entry':
      return c.text('No such file\n', 404);
    case 'not-permitted':
    case 'access':
    case 'read-only':
      return c.text('Not allowed\n', 403);
    case 'is-directory':
    case 'not-directory':
      return c.text('That is no file\n', 400);
    default:
      // The console of the engine leaves the stack out when it is given the error itself.
      console.error(`${failure.payload ?? failure}\n${failure.stack}`);
      return c.text('Internal server error\n', 500);
  }
}

// The first request of all is answered during the build: what Hono gets ready for it is then part of the component.
await app.request('/');

self.addEventListener('fetch', (event) => event.respondWith(app.fetch(event.request)));
