// The lab by hand: `npm run lab -- up` leaves it up and says how to look around; `down` removes it; `left` says what is still there.

import { cleanUp, isClean, leftovers } from './cleanup.ts'
import { startLab } from './lab.ts'

const usage = `usage: npm run lab -- up | down [--all] | left [--all]
The lab's name is SHOAL_LAB (default shoal-test).`

const project = process.env['SHOAL_LAB'] ?? 'shoal-test'
const scope = process.argv.includes('--all') ? undefined : project

async function up(): Promise<number> {
  // Not disposed of: it is to stay up.
  const lab = await startLab({ project, keep: true, say: line => console.error(`lab: ${line}`) })
  for (const node of lab.nodes)
    console.log(`${node.name.padEnd(6)} ${node.ip.padEnd(12)} docker exec -it ${project}-${node.name} bash`)
  return 0
}

async function left(): Promise<number> {
  const found = await leftovers(scope)
  console.log(JSON.stringify(found, null, 2))
  return isClean(found) ? 0 : 1
}

const verb = process.argv[2]
if (verb === 'up') {
  process.exit(await up())
} else if (verb === 'down') {
  await cleanUp(scope)
} else if (verb === 'left') {
  process.exitCode = await left()
} else {
  console.error(usage)
  process.exitCode = 64
}
