/** Opens the API's port. What keeps it from being opened is a matter of settings, told as such. */
import type { AddressInfo } from 'node:net';
import { BoiError } from '@boi/core';
import type { FastifyInstance } from 'fastify';

/** Answers the port, which is another than asked for when that was 0. Throws `config-invalid`. */
export async function listen(
  server: FastifyInstance,
  at: { readonly host: string; readonly port: number },
): Promise<number> {
  try {
    await server.listen({ host: at.host, port: at.port });
  } catch (error) {
    const why = reason((error as NodeJS.ErrnoException).code);
    if (why === undefined) throw error;
    throw new BoiError('config-invalid', `cannot listen on ${at.host}:${at.port}: ${why} (--listen; of dev --port)`, {
      cause: error,
    });
  }
  return (server.server.address() as AddressInfo).port;
}

function reason(code: string | undefined): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return 'another program does already, perhaps another node; stop it, or choose another port';
    case 'EADDRNOTAVAIL':
      return 'this host does not have that address; choose one of its own';
    case 'EACCES':
      return 'this account may not open that port; choose one above 1023';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'that name has no address; give an IP address, or mend the name';
    default:
      return undefined;
  }
}
