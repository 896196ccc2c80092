/** A router plugin that misbehaves as its first argument says: for the tests of the supervisor and the clients. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { HEALTH_SERVICE_NAME, SERVICE_NAMES, serviceDefinition } from '@boi/proto';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';

type Unary = (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => void;

const [mode = 'well', argument = ''] = process.argv.slice(2);
const hour = 3_600_000;
const stay = () => setTimeout(() => undefined, hour);

const introduction = { major: 1, minor: 0, name: 'misbehaving', version: '1', capabilities: [] };
const handshakes: Record<string, Unary> = {
  'wrong-major': (_, answer) => answer(null, { ...introduction, major: 2 }),
  'later-minor': (_, answer) => answer(null, { ...introduction, minor: 7 }),
  'slow-handshake': () => undefined,
  'bad-name': (_, answer) => answer(null, { ...introduction, name: 'no good name\n' }),
};
const task = (call: ServerUnaryCall<unknown, unknown>) =>
  (call.request as { tasks: { taskId: string }[] }).tasks[0]?.taskId ?? '';
const hints: Record<string, Unary> = {
  huge: (_, answer) => answer(null, { hints: [{ taskId: 'x'.repeat(100 * 2 ** 20), nodes: [] }] }),
  hang: () => undefined,
  nonsense: (call, answer) =>
    answer(null, { hints: [{ taskId: task(call), nodes: [{ nodeId: 'nobody', preference: -1 }] }] }),
  'exit-in-call': () => process.exit(7),
  throws: (_, answer) => answer({ code: 13, details: 'it broke inside' }),
};

async function serve(): Promise<void> {
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  const kind = mode === 'wrong-kind' ? 'workspace' : 'router';
  let definition: ServiceDefinition = serviceDefinition(SERVICE_NAMES[kind]);
  if (mode === 'garbage-bytes') {
    const hint = definition.Hint as ServiceDefinition[string];
    // A field of wire type 2 whose length goes beyond the message.
    definition = { ...definition, Hint: { ...hint, responseSerialize: () => Buffer.from([0x0a, 0xff, 0x01]) } };
  }
  server.addService(definition, {
    Handshake: handshakes[mode] ?? ((_: unknown, answer: sendUnaryData<unknown>) => answer(null, introduction)),
    Hint: hints[mode] ?? ((_: unknown, answer: sendUnaryData<unknown>) => answer(null, { hints: [] })),
  });
  let checks = 0;
  server.addService(serviceDefinition(HEALTH_SERVICE_NAME), {
    Check: (_: unknown, answer: sendUnaryData<unknown>) => {
      checks++;
      const ill = mode === 'ill' || (mode === 'ill-twice' && checks <= 2);
      answer(null, { status: ill ? 'NOT_SERVING' : 'SERVING' });
    },
    Watch: () => undefined,
  });
  await new Promise<void>((resolve, reject) => {
    const address = `unix:${process.env.BOI_PLUGIN_SOCKET}`;
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
}

switch (mode) {
  case 'never-ready':
    stay();
    break;
  case 'garbage':
    process.stdout.write('Listening on port 8080\n');
    stay();
    break;
  case 'endless-line':
    process.stdout.write('x'.repeat(1_000_000));
    stay();
    break;
  case 'no-socket':
    process.stdout.write('BOI_READY\n');
    stay();
    break;
  case 'crash':
    process.stderr.write('about to crash\n');
    process.exit(3);
    break;
  case 'leaver': {
    // Ends and leaves a child of its group behind.
    const child = spawn('sleep', ['3600'], { stdio: 'ignore' });
    if (argument !== '') writeFileSync(argument, String(child.pid));
    process.exit(4);
    break;
  }
  case 'stubborn': {
    process.on('SIGTERM', () => process.stderr.write('no\n'));
    const child = spawn('sh', ['-c', 'trap "" TERM; sleep 3600 & wait'], { stdio: 'ignore' });
    if (argument !== '') writeFileSync(argument, String(child.pid));
    afterwards(serve());
    break;
  }
  default:
    afterwards(serve());
}

function afterwards(served: Promise<void>): void {
  served.then(() => {
    process.stdout.write('BOI_READY\n');
    if (mode === 'chatty')
      for (const stream of [process.stdout, process.stderr])
        stream.write(`${'chatter '.repeat(1_000)}\n`.repeat(1_000));
    if (mode === 'env') process.stderr.write(`env ${JSON.stringify(process.env)}\n`);
    if (mode === 'crash-later') setTimeout(() => process.exit(5), 50);
    if (mode === 'frozen') process.kill(process.pid, 'SIGSTOP');
    if (mode !== 'stubborn') process.on('SIGTERM', () => process.exit(0));
  });
}
