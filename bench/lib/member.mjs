/**
 * A process of a measurement: started with an IPC channel, asked verbs, each answered once; what it tells unasked
 * (`done`, `latency`) goes to `onTold`.
 */
import { spawn } from 'node:child_process';

export function startMember(program, args, { onTold = () => undefined, env } = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env });
  const waiting = new Map();
  let ids = 0;
  child.on('message', (message) => {
    if (message.type !== 'answer') return onTold(message);
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) resolve(message.value);
    else reject(new Error(message.error));
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values())
      reject(new Error(`${program} ${args[0]} ended with ${signal ?? code} in the middle of the measurement`));
  });
  return {
    pid: child.pid,
    exited,
    ask: (verb, more = {}) =>
      new Promise((resolve, reject) => {
        ids += 1;
        waiting.set(ids, { resolve, reject });
        child.send({ verb, id: ids, ...more }, (error) => error && reject(error));
      }),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}
