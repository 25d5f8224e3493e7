import { poll, type Pollable } from 'wasi:io/poll@0.2.3';
import { instanceNetwork } from './network';
import { createTcpSocket } from 'wasi:sockets/tcp-create-socket@0.2.3';
import type { InputStream, OutputStream, TcpSocket } from 'wasi:sockets/tcp@0.2.3';

const PORT = 7878;

// There is one instance, so that this counts for as long as the service lives.
let lines = 0;

/** A client: its lines are counted as they come. */
class Client {
  private text = '';
  private readonly decoder = new TextDecoder();
  readonly readable: Pollable;

  constructor(
    private readonly socket: TcpSocket,
    private readonly input: InputStream,
    private readonly output: OutputStream,
  ) {
    this.readable = input.subscribe();
  }

  /** Reads what is there and answers every whole line. */
  serve() {
    this.text += this.decoder.decode(this.input.read(8192n), { stream: true });
    const whole = this.text.split('\n');
    this.text = whole.pop() ?? '';
    for (const line of whole) {
      lines += 1;
      const words = line.split(/\s+/).filter((word) => word !== '').length;
      this.output.blockingWriteAndFlush(new TextEncoder().encode(`${words} ${lines}\n`));
    }
  }

  /** A socket goes after everything that was made of it. */
  close() {
    for (const resource of [this.readable, this.input, this.output, this.socket]) {
      resource[Symbol.dispose]();
    }
  }
}

function listen(): TcpSocket {
  const socket = createTcpSocket('ipv4');
  // Of the workload's own network, which nobody else can reach.
  socket.startBind(instanceNetwork(), { tag: 'ipv4', val: { address: [127, 0, 0, 1], port: PORT } });
  socket.finishBind();
  socket.startListen();
  socket.finishListen();
  return socket;
}

// The host calls this once. Whatever happens, happens in this loop: it waits for all clients at once.
export const run = {
  run() {
    const listener = listen();
    const incoming = listener.subscribe();
    const clients = new Set<Client>();
    console.log(`listening on 127.0.0.1:${PORT}`);
    for (;;) {
      const waiting = [...clients];
      for (const index of poll([incoming, ...waiting.map((client) => client.readable)])) {
        const client = waiting[index - 1];
        try {
          if (client) {
            client.serve();
          } else {
            clients.add(new Client(...listener.accept()));
          }
        } catch {
          // The client has left, which ends nobody else's connection.
          if (client) {
            clients.delete(client);
            client.close();
          }
        }
      }
    }
  },
};
