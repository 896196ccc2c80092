/** pg-boss on PostgreSQL: bulk inserts, batches fetched without a pause while they come back full, NOTIFY between. */
import { PgBoss } from 'pg-boss';

const QUEUE = 'bench';
const BULK = 1_000;
let boss;

async function open(options) {
  if (boss !== undefined) return boss;
  boss = new PgBoss({ connectionString: options.url, max: options.connections, useListenNotify: true });
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  return boss;
}

export async function prepare(options) {
  await (await open(options)).createQueue(QUEUE, { notify: true });
}

export async function work(options, report) {
  const started = await open(options);
  await started.work(
    QUEUE,
    {
      batchSize: options.batch,
      localConcurrency: options.concurrency,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
    },
    async (jobs) => {
      for (const job of jobs) {
        report.started(job.data?.sentAtNs);
        report.finished();
      }
    },
  );
  return () => started.offWork(QUEUE);
}

export async function enqueue(options, payloads) {
  const started = await open(options);
  for (let at = 0; at < payloads.length; at += BULK)
    await started.insert(
      QUEUE,
      payloads.slice(at, at + BULK).map((data) => ({ data })),
    );
}

export async function unfinished(options) {
  const { rows } = await (await open(options))
    .getDb()
    .executeSql(`select count(*)::int as left from pgboss.job where name = $1 and state <> 'completed'`, [QUEUE]);
  return rows[0].left;
}

export async function close() {
  await boss?.stop({ graceful: false });
}
