// The thesis's page counter: serves a page on port 8080, counts its views in memory only, and prints each.
// A copy that started afresh begins at 1 again; `started` differs then too.
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'

const started = randomBytes(8).toString('hex')
let views = 0

const server = createServer((request, response) => {
  if (request.url !== '/') {
    response.writeHead(404).end()
    return
  }
  views += 1
  console.log(`${started} ${views} ${Date.now()}`)
  response.setHeader('content-type', 'application/json').end(`${JSON.stringify({ started, views })}\n`)
})

server.listen(8080, () => console.log(`${started} listening`))
process.on('SIGTERM', () => {
  console.log('term')
  process.exit(7)
})
