/** The standard health service: SERVING for the plugin's own service and for the server as a whole until `stop`. */
import { HEALTH_SERVICE_NAME, serviceDefinition } from '@boi/proto';
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

interface Question {
  readonly service: string;
}
interface Answer {
  readonly status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

export function servingStatus(services: readonly string[]): {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  /** Tells all watchers that nothing is served any more, and ends their streams. */
  stop(): void;
} {
  const watchers = new Set<ServerWritableStream<Question, Answer>>();
  const knows = (service: string) => service === '' || services.includes(service);
  return {
    definition: serviceDefinition(HEALTH_SERVICE_NAME),
    handlers: {
      Check: (call: ServerUnaryCall<Question, Answer>, answer: sendUnaryData<Answer>) => {
        if (knows(call.request.service)) answer(null, { status: 'SERVING' });
        else answer({ code: status.NOT_FOUND, details: `no service ${call.request.service} here` });
      },
      Watch: (call: ServerWritableStream<Question, Answer>) => {
        call.write({ status: knows(call.request.service) ? 'SERVING' : 'SERVICE_UNKNOWN' });
        watchers.add(call);
        call.on('cancelled', () => watchers.delete(call));
      },
    },
    stop: () => {
      for (const watcher of watchers) {
        watcher.write({ status: 'NOT_SERVING' });
        watcher.end();
      }
      watchers.clear();
    },
  };
}
