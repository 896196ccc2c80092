/** graphile-worker on PostgreSQL, with the local queue and the batched completion that its performance page recommends. */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';

/** Jobs per `addJobs` call, one SQL statement each. */
const BULK = 1_000;
let utils;

/** A line per job would measure the terminal. */
const logger = new Logger(() => () => undefined);

const open = async (options) =>
  (utils ??= await makeWorkerUtils({ connectionString: options.url, preset: preset(options) }));

function preset(options) {
  return {
    worker: {
      connectionString: options.url,
      concurrentJobs: options.concurrency,
      maxPoolSize: options.connections,
      localQueue: { size: options.localQueue },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      logger,
    },
  };
}

export async function prepare(options) {
  await (await open(options)).migrate();
}

export async function work(options, report) {
  const runner = await run({
    preset: preset(options),
    taskList: {
      job: async (payload) => {
        report.started(payload.sentAtNs);
        report.finished();
      },
    },
    noHandleSignals: true,
  });
  return () => runner.stop();
}

export async function enqueue(options, payloads) {
  const { addJobs } = await open(options);
  for (let at = 0; at < payloads.length; at += BULK)
    await addJobs(payloads.slice(at, at + BULK).map((payload) => ({ identifier: 'job', payload })));
}

export async function unfinished(options) {
  const { withPgClient } = await open(options);
  const { rows } = await withPgClient((client) =>
    client.query('select count(*)::int as left from graphile_worker._private_jobs'),
  );
  return rows[0].left;
}

export async function close() {
  await utils?.release();
}
