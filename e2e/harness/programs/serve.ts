/** What the plugins of these tests have in common: they serve on the socket that the node names, and leave the rest to the test. */
import { readFileSync } from 'node:fs';
import { HEALTH_SERVICE_NAME, serviceDefinition } from '@boi/proto';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

export type Unary = (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => void;

/** Answers the same to every call. */
export const always =
  (response: object): Unary =>
  (_, answer) =>
    answer(null, response);

/** Resolves when the socket is served, health included. Ends on TERM and with its node; says nothing by itself. */
export async function serve(definition: ServiceDefinition, handlers: UntypedServiceImplementation): Promise<void> {
  const server = new Server();
  server.addService(definition, handlers);
  server.addService(serviceDefinition(HEALTH_SERVICE_NAME), {
    Check: always({ status: 'SERVING' }),
    Watch: () => undefined,
  });
  await new Promise<void>((resolve, reject) => {
    const address = `unix:${process.env.BOI_PLUGIN_SOCKET}`;
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  process.on('SIGTERM', () => process.exit(0));
  process.stdin.on('end', () => process.exit(0)).resume();
}

export function ready(): void {
  process.stdout.write('BOI_READY\n');
}

/** What a test wrote; undefined before it did. */
export function told<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
