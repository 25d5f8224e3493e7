// Between the requests and responses of `wasi:http` and those of the web platform.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam, type IncomingRequest } from 'wasi:http/types@0.2.10';
import type { OutputStream } from 'wasi:io/streams@0.2.10';

/** Returns the export of the component: every request is answered by `fetch`, for example that of a Hono app. */
export function serve(fetch: (request: Request) => Response | Promise<Response>) {
  return {
    async handle(incoming: IncomingRequest, responseOut: ResponseOutparam): Promise<void> {
      const body = new RequestBody(incoming);
      await send(await answer(incoming, body, fetch), responseOut);
      // The host wants its resources back children first, which the garbage collector does not know.
      body.close();
      incoming[Symbol.dispose]();
    },
  };
}

async function answer(
  incoming: IncomingRequest,
  body: RequestBody,
  fetch: (request: Request) => Response | Promise<Response>,
): Promise<Response> {
  let request: Request;
  try {
    request = toRequest(incoming, body);
  } catch (error) {
    return new Response(`Bad request: ${error}\n`, { status: 400 });
  }
  try {
    return await fetch(request);
  } catch (error) {
    console.error(describe(error));
    return new Response('Internal server error\n', { status: 500 });
  }
}

function toRequest(incoming: IncomingRequest, body: RequestBody): Request {
  const { tag, val } = { val: '', ...incoming.method() };
  const method = tag === 'other' ? val : tag.toUpperCase();
  const scheme = incoming.scheme()?.tag === 'HTTPS' ? 'https' : 'http';
  const url = `${scheme}://${incoming.authority() ?? 'localhost'}${incoming.pathWithQuery() ?? '/'}`;

  const headers = new Headers();
  using fields = incoming.headers();
  const decoder = new TextDecoder();
  for (const [name, value] of fields.entries()) {
    headers.append(name, decoder.decode(value));
  }

  if (method === 'GET' || method === 'HEAD') {
    return new Request(url, { method, headers });
  }
  // `duplex` is asked for by the standard, but not yet in the types.
  return new Request(url, { method, headers, body: body.open(), duplex: 'half' } as RequestInit);
}

/** The body of a request, which nobody has to read. */
class RequestBody {
  #incoming: IncomingRequest;
  #close: (() => void) | undefined;

  constructor(incoming: IncomingRequest) {
    this.#incoming = incoming;
  }

  open(): ReadableStream<Uint8Array> {
    const body = this.#incoming.consume();
    const input = body.stream();
    this.#close = () => {
      input[Symbol.dispose]();
      body[Symbol.dispose]();
    };
    const pull = (controller: ReadableStreamDefaultController) => {
      try {
        controller.enqueue(input.blockingRead(65536n));
      } catch (error) {
        if (isClosed(error)) {
          controller.close();
        } else {
          controller.error(new Error('the request ended before its body did'));
        }
      }
    };
    // Nothing is read ahead: a read blocks, and perhaps the body is not wanted.
    return new ReadableStream({ pull }, { highWaterMark: 0 });
  }

  close(): void {
    this.#close?.();
  }
}

async function send(response: Response, responseOut: ResponseOutparam): Promise<void> {
  const outgoing = new OutgoingResponse(toFields(response.headers));
  outgoing.setStatusCode(response.status);
  const body = outgoing.body();
  // From here on the host takes what is written; setting the response last would block on a long body.
  ResponseOutparam.set(responseOut, { tag: 'ok', val: outgoing });
  try {
    if (response.body) {
      using output = body.write();
      await write(response.body, output);
    }
  } catch (error) {
    // Without `finish` the client gets to know that something is missing. If it was the client that left, there is nothing to report.
    body[Symbol.dispose]();
    if (!isClosed(error)) {
      console.error(describe(error));
    }
    return;
  }
  try {
    OutgoingBody.finish(body, undefined);
  } catch (error) {
    // The length is not the announced one, which is as it should be in the answer to HEAD.
    if (response.body) {
      console.error(describe(error));
    }
  }
}

async function write(chunks: ReadableStream<Uint8Array>, output: OutputStream): Promise<void> {
  using ready = output.subscribe();
  const reader = chunks.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    for (let rest = next.value; rest.length > 0; ) {
      ready.block();
      const part = rest.subarray(0, Number(output.checkWrite()));
      output.write(part);
      rest = rest.subarray(part.length);
    }
  }
  output.blockingFlush();
}

function toFields(headers: Headers): Fields {
  const fields = new Fields();
  const encoder = new TextEncoder();
  for (const [name, value] of headers) {
    try {
      fields.append(name, encoder.encode(value));
    } catch {
      // The host keeps some headers to itself, those about the connection, say.
    }
  }
  return fields;
}

function isClosed(thrown: unknown): boolean {
  return (thrown as { payload?: { tag?: string } }).payload?.tag === 'closed';
}

/** Says what was thrown. What a WASI function throws has the reason in `payload` and is not `instanceof Error` here. */
function describe(thrown: unknown): string {
  const { payload, stack } = thrown as { payload?: unknown; stack?: string };
  const reason = payload === undefined ? String(thrown) : JSON.stringify(payload);
  return stack === undefined ? reason : `${reason}\n${stack}`;
}
