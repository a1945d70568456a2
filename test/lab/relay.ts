// Opens a node's API on a loopback port of this machine: each connection is piped into the daemon's unix socket, seen through /proc.

import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { LabError } from './errors.ts'

export interface Relay extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
}

/** Listens on a free port of 127.0.0.1; `socketPath` is asked anew for each connection, since a daemon may have been restarted. */
export async function openRelay(socketPath: () => string): Promise<Relay> {
  const open = new Set<Socket>()
  const server = createServer(near => {
    const far = createConnection(socketPath())
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket)
      // A daemon that is down shows as a connection that closes: its client gets an error and asks again.
      socket.once('error', () => other.destroy())
      socket.once('close', () => {
        open.delete(socket)
        other.destroySoon()
      })
      socket.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') {
    throw new LabError('LAB_UNAVAILABLE', { what: 'the relay got no port', hint: 'is the loopback interface up?' })
  }
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
