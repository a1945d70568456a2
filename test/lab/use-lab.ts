// A lab for the tests of one file: `const lab = useLab({ nodes: ['lab3', 'vrone'] })`, then `lab().node('lab3')` inside a test.
// When a test fails, every node's logs are kept in .ci/out/ under the test's name.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { LabError } from './errors.ts'
import { type Lab, type LabOptions, startLab } from './lab.ts'

const logs = fileURLToPath(new URL('../../.ci/out/', import.meta.url))

/** Starts a lab before the first test of the file and ends it after the last. The returned function hands it out. */
export function useLab(options: LabOptions = {}): () => Lab {
  let lab: Lab | undefined
  beforeAll(async () => {
    lab = await startLab(options)
  })
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await lab?.saveLogs(join(logs, task.name.replaceAll(/\W+/g, '-').slice(0, 80)))
  })
  afterAll(async () => lab?.[Symbol.asyncDispose]())
  return () => {
    if (lab === undefined) throw new LabError('LAB_UNAVAILABLE', { what: 'the lab is not up', hint: 'use it inside a test' })
    return lab
  }
}
