/**
 * One process of a peer's measurement, told what to do over IPC by `bench/measure-peer.mjs`: either a worker or the
 * client that enqueues. `node main.mjs <peer> <options as JSON>`; the peer's module gives the four verbs
 * `prepare`, `work`, `enqueue`, `unfinished`, each as its own documentation recommends for throughput.
 */
const [, , name, json] = process.argv;
const options = JSON.parse(json);
const peer = await import(`./${name}.mjs`);
const close = [];

let done = 0;
let told = 0;
const report = {
  /** A handler began; `sentAtNs` is there when latency is measured. */
  started: (sentAtNs) => {
    if (sentAtNs) process.send({ type: 'latency', ns: Number(process.hrtime.bigint() - BigInt(sentAtNs)) });
  },
  finished: () => {
    done += 1;
  },
};
const teller = setInterval(() => {
  if (done !== told) process.send({ type: 'done', count: done });
  told = done;
}, 10);

const verbs = {
  prepare: () => peer.prepare(options),
  work: async () => close.push(await peer.work(options, report)),
  enqueue: ({ count }) => peer.enqueue(options, Array(count).fill({})),
  enqueueOne: () => peer.enqueue(options, [{ sentAtNs: String(process.hrtime.bigint()) }]),
  settle: async () => {
    while ((await peer.unfinished(options)) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  },
  stop: async () => {
    clearInterval(teller);
    for (const end of close) await end();
    await peer.close();
  },
};

process.on('message', async (message) => {
  try {
    await verbs[message.verb](message);
    process.send({ type: 'answer', id: message.id });
  } catch (error) {
    process.send({ type: 'answer', id: message.id, error: String(error?.stack ?? error) });
  }
  if (message.verb === 'stop') process.disconnect();
});
