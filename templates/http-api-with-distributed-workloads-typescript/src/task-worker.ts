import { publish } from 'wasmcloud:messaging/consumer@0.2.0';
import type { BrokerMessage } from 'wasmcloud:messaging/types@0.2.0';

const LEET: Record<string, string> = { a: '4', e: '3', i: '1', l: '1', o: '0', s: '5', t: '7' };

// Which subjects come here is not decided in the code, but by `subscriptions` in `.wash/config.yaml`.
export const handler = {
  /** Answers one task. What is thrown is told to whoever waits for the result. */
  handleMessage(task: BrokerMessage): void {
    if (task.replyTo === undefined) {
      throw `nobody waits for the result of ${task.subject}`;
    }
    const payload = new TextDecoder().decode(task.body);
    publish({ subject: task.replyTo, body: new TextEncoder().encode(leet(payload)), replyTo: undefined });
  },
};

function leet(text: string): string {
  return [...text].map((letter) => LEET[letter.toLowerCase()] ?? letter).join('');
}
