/** BullMQ on Redis. Jobs are added in bulk, kept nowhere once completed. */
import { Queue, Worker } from 'bullmq';

const QUEUE = 'bench';
/** Jobs per `addBulk`: more makes one Redis pipeline so large that it stalls the workers. */
const BULK = 1_000;
let queue;

const open = (options) => (queue ??= new Queue(QUEUE, { connection: { host: '127.0.0.1', port: options.port } }));

export async function prepare(options) {
  await open(options).waitUntilReady();
}

export async function work(options, report) {
  const worker = new Worker(QUEUE, async (job) => report.started(job.data.sentAtNs), {
    connection: { host: '127.0.0.1', port: options.port },
    concurrency: options.concurrency,
  });
  worker.on('completed', () => report.finished());
  await worker.waitUntilReady();
  return () => worker.close();
}

export async function enqueue(options, payloads) {
  for (let at = 0; at < payloads.length; at += BULK)
    await open(options).addBulk(
      payloads.slice(at, at + BULK).map((data) => ({ name: 'job', data, opts: { removeOnComplete: true } })),
    );
}

export async function unfinished(options) {
  const counts = await open(options).getJobCounts('waiting', 'active', 'delayed', 'prioritized', 'failed');
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

export async function close() {
  await queue?.close();
}
